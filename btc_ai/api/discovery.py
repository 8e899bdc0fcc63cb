"""Finds plugins and reads their manifests without importing any of them."""

import importlib.util
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Annotated, Literal

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from btc_ai.api import API_VERSION
from btc_ai.config import BUILTIN_FEATURES, nearest
from btc_ai.errors import PluginError
from btc_ai.names import BUILTIN_EXECUTORS, BUILTIN_LEARNERS

GROUP = "btc_ai.plugins"
MANIFEST = "btc_ai_plugin.json"
RESERVED = ("broker", "bus", "cli", "daemon", "plugin", "reply", "test", "worker")
"""Names with which messages begin that are no plugin's."""

Added = Literal["features", "executors", "learners", "markets"]
"""What a plugin adds by name; the name's key in its manifest, and the end of its hook's."""


def covers(patterns: Iterable[str], kind: str) -> bool:
    """Whether `kind` is one of the patterns, or begins with one that ends in `.*`; `*`: all."""
    return any(
        one in ("*", kind) or (one.endswith(".*") and kind.startswith(one.removesuffix("*")))
        for one in patterns
    )


CliName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
KindPattern = Annotated[str, Field(pattern=r"^(\*|[a-z][a-z0-9_.]{0,63}(\.\*)?)$")]


class Permissions(BaseModel):
    """What a plugin may do on the bus beyond what is its own.

    `training.*`: all that begin so; `*`: everything.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    commands: list[KindPattern] = Field(
        default_factory=list, description="Commands of others that it may send"
    )
    events: list[KindPattern] = Field(
        default_factory=list, description="Events of others that it may publish"
    )


class CliCommand(BaseModel):
    """A sub-command of `btc-ai`: `app`, `package.module:attribute`, is a Typer app."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    app: str = Field(pattern=r"^[\w.]+:\w+$", description="Typer app, package.module:attribute")
    help: str = Field(description="One line for `btc-ai --help`")


class Manifest(BaseModel):
    """`btc_ai_plugin.json`, beside the module that the entry point names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$", description="The plugin's name")
    version: str = Field(description="The plugin's version")
    api: str = Field(description="Range of the contract's versions it works with, e.g. >=1,<2")
    description: str = Field(description="One line for `btc-ai plugins list`")
    features: list[str] = Field(default_factory=list, description="Features it adds")
    executors: list[str] = Field(default_factory=list, description="Executors it adds")
    learners: list[str] = Field(default_factory=list, description="Learners it adds")
    markets: list[str] = Field(default_factory=list, description="Sources of candles it adds")
    service: bool = Field(
        True, description="Whether it runs: false where it only adds what other processes import"
    )
    isolation: Literal["process"] | None = Field(
        None, description="`process`: in a process of its own, even where it is bundled"
    )
    cli: dict[CliName, CliCommand] = Field(
        default_factory=dict, description="Sub-commands of btc-ai it adds, by name"
    )
    permissions: Permissions = Field(
        default_factory=Permissions, description="What it may do beyond what is its own"
    )

    @field_validator("name")
    @classmethod
    def _is_free(cls, value: str) -> str:
        if value in RESERVED:
            raise ValueError(f"is taken by BTC-AI itself, as are {', '.join(RESERVED)}")
        return value

    @field_validator("api")
    @classmethod
    def _is_range(cls, value: str) -> str:
        try:
            SpecifierSet(value)
        except InvalidSpecifier:
            raise ValueError("is no version range such as >=1,<2") from None
        return value

    @property
    def compatible(self) -> bool:
        """Whether this program's contract lies in the plugin's range."""
        return SpecifierSet(self.api).contains(API_VERSION, prereleases=True)

    def may_send(self, kind: str) -> bool:
        """Whether the plugin may send this command."""
        return covers((f"{self.name}.*", *self.permissions.commands), kind)

    def may_publish(self, kind: str) -> bool:
        """Whether the plugin may publish this event."""
        return covers((self.name, f"{self.name}.*", *self.permissions.events), kind)


@dataclass(frozen=True)
class Found:
    """A plugin that is installed, or what is wrong with it."""

    entry_point: EntryPoint
    manifest: Manifest | None
    problem: str | None

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.entry_point.name

    @property
    def bundled(self) -> bool:
        """Whether it is part of BTC-AI."""
        return is_bundled(self.entry_point)

    def load(self) -> object:
        """Import the plugin. Whatever its import raises comes through."""
        return self.entry_point.load()


def discover() -> list[Found]:
    """Every plugin of the entry-point group, by name.

    Of two with one name neither is usable, but a bundled one, whose name nobody can take.
    """
    points = sorted(set(entry_points(group=GROUP)), key=lambda one: (one.name, one.value))
    bundled = {point.name for point in points if is_bundled(point)}
    usual = [one for one in points if is_bundled(one) or one.name not in bundled]
    times = Counter(point.name for point in usual)
    twice = "another installed package offers a plugin of that name; remove one of them"
    return [
        _found(point) if times[point.name] == 1 else Found(point, None, twice) for point in usual
    ]


def is_bundled(point: EntryPoint) -> bool:
    """Whether an entry point names a plugin that is part of BTC-AI."""
    return point.value.startswith("btc_ai.plugins.")


def added(what: Added) -> tuple[str, ...]:
    """The names of these that usable plugins add."""
    usable = (one.manifest for one in discover() if one.manifest and not one.problem)
    return tuple(name for manifest in usable for name in getattr(manifest, what))


def known_features() -> tuple[str, ...]:
    """The features a configuration may name: the built-in ones and those of usable plugins."""
    return BUILTIN_FEATURES + added("features")


def known_executors() -> tuple[str, ...]:
    """The executors a study may name: the built-in ones and those of usable plugins."""
    return BUILTIN_EXECUTORS + added("executors")


def known_learners() -> tuple[str, ...]:
    """The learners that may be named: the built-in ones and those of usable plugins."""
    return BUILTIN_LEARNERS + added("learners")


def known_names() -> dict[str, tuple[str, ...]]:
    """What `load_config` checks a configuration's names against."""
    return {"features": known_features(), "learners": known_learners()}


def unknown(what: Added, name: str, known: Sequence[str]) -> str:
    """What to say of a name that is not `known`: which plugin adds it, or the nearest name."""
    for found in discover():
        if found.problem and found.manifest and name in getattr(found.manifest, what):
            plugin = found.name
            return f"{name} is of the plugin {plugin}, which cannot be used: {found.problem}"
    return (
        f"{name[:60]!r} is not among the {what}{nearest(name, known)}; known are "
        f"{', '.join(known) or 'none'}. Where a plugin adds it, install that"
    )


def _found(entry_point: EntryPoint) -> Found:
    try:
        manifest = _read_manifest(entry_point)
    except PluginError as error:
        return Found(entry_point, None, str(error))
    if manifest.name != entry_point.name:
        reason = f"its manifest names it {manifest.name}, its entry point {entry_point.name}"
        return Found(entry_point, manifest, reason)
    if manifest.compatible:
        return Found(entry_point, manifest, None)
    return Found(
        entry_point, manifest,
        f"works with contract {manifest.api}; this is {API_VERSION}. Install another version of it",
    )  # fmt: skip


def _read_manifest(entry_point: EntryPoint) -> Manifest:
    try:
        top, *inner = entry_point.module.split(".")
        spec = importlib.util.find_spec(top)
    except (AttributeError, ValueError, ImportError):
        raise PluginError(f"its entry point {entry_point.value} names no module") from None
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not folders:
        raise PluginError(f"there is no package {top}; reinstall or remove the plugin")
    candidates = [
        Path(folder, *parts) / MANIFEST for folder in folders for parts in (inner, inner[:-1])
    ]
    path = next((one for one in candidates if one.is_file()), None)
    if path is None:
        raise PluginError(f"has no {MANIFEST} beside {entry_point.module}")
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        wrong = (".".join(map(str, one["loc"])) + f": {one['msg']}" for one in error.errors())
        raise PluginError(f"{path} cannot be used: {'; '.join(wrong)}") from None
    except OSError as error:
        raise PluginError(f"{path} cannot be read: {error.strerror}") from None
