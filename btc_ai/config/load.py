"""Reads the configuration file, and says all that is wrong with it at once.

Each fault comes with the key's path, the value, and what is allowed.
"""

import json
import math
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from btc_ai.config.fields import (
    BUILTIN_FEATURES,
    DEFAULT_MAX_EPISODES,
    NAME_WORDS,
    PLUGIN_NAME_WORDS,
    nearest,
)
from btc_ai.config.sections import (
    BucketConfig,
    PluginSection,
    default_buckets,
)
from btc_ai.config.whole import (
    Config,
)
from btc_ai.errors import ConfigError
from btc_ai.names import BUILTIN_LEARNERS
from btc_ai.paths import find_config, user_data
from btc_ai.redaction import HIDDEN, is_secret, redact


def _section_at(loc: tuple[str | int, ...]) -> type[BaseModel] | None:
    """The section whose key stands last in `loc`."""
    section: type[BaseModel] | None = Config
    named = PluginSection if loc[0] == "PLUGINS" else BucketConfig
    for part in loc[:-1]:
        if section is None:
            section = named  # loc is BUCKET_CONFIGS or PLUGINS, name, key
            continue
        field = section.model_fields.get(str(part))
        inner = field.annotation if field else None
        section = inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None
    return section


def _path(loc: tuple[str | int, ...]) -> str:
    parts = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return parts.lstrip(".") or "the file"


def _describe(error: ErrorDetails) -> str:
    """One line for one thing wrong: path, value, what is allowed."""
    loc = error["loc"]
    if error["type"] == "extra_forbidden":
        section = _section_at(loc)
        hint = nearest(str(loc[-1]), section.model_fields if section else ())
        return f"{_path(loc)}: unknown key{hint}"
    if error["type"] == "missing":
        return f"{_path(loc)}: is missing"
    if loc[-1:] == ("[key]",):
        what = "plugin" if loc[0] == "PLUGINS" else "bucket"
        words = PLUGIN_NAME_WORDS if what == "plugin" else NAME_WORDS
        return f"{_path(loc[:-2])}: {error['input']!r} is no name of a {what}; use {words}"
    message = error["msg"].removeprefix("Value error, ").replace("Input should", "should")
    value = json.dumps(_public(loc, error["input"]), default=str)
    shown = value if len(value) <= 60 else value[:57] + "..."
    return f"{_path(loc)}: {shown} {message}" if len(loc) else message


def _fault(error: ErrorDetails) -> tuple[str, str]:
    """The path, and what is wrong there."""
    path = _path(error["loc"])
    return path, _describe(error).removeprefix(f"{path}: ")


def _public(loc: tuple[str | int, ...], value: object) -> object:
    """A value as it may be shown: a plugin's secret, or a URL's, is not."""
    if loc[:1] == ("HISTORY_URL",) or (loc[:1] == ("PLUGINS",) and any(map(is_secret, loc[3:]))):
        return HIDDEN
    return redact(value)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    key, count = Counter(key for key, _ in pairs).most_common(1)[0] if pairs else ("", 1)
    if count > 1:
        raise ValueError(f"the key {key} stands there twice")
    return dict(pairs)


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{text} is no number")
    return value


def read_raw(path: Path) -> dict[str, Any]:
    """The file's one JSON object, unchecked. Raises ConfigError."""
    try:
        raw = json.loads(
            path.read_text(encoding="utf-8-sig"),  # some editors put a mark before the text
            object_pairs_hook=_no_duplicates,
            parse_constant=_finite,
            parse_float=_finite,
        )
    except FileNotFoundError:
        raise ConfigError(
            f"there is no configuration file {path}; write one with `btc-ai config init {path}`"
        ) from None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"{path} is not JSON: {error.msg} in line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise ConfigError(f"{path} is nested too deep to be a configuration") from None
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: the file must hold one JSON object, as `config init` writes it")
    return raw


def _named_elsewhere(raw: dict[str, Any]) -> dict[str, Any]:
    """What one section is checked against in others, be they sound or not."""
    buckets, limit = raw.get("BUCKET_CONFIGS"), raw.get("MAX_EPISODES")
    return {
        "buckets": list(buckets if isinstance(buckets, dict) and buckets else default_buckets()),
        "max_episodes": limit if isinstance(limit, int) and limit > 0 else DEFAULT_MAX_EPISODES,
    }


def default_config() -> Config:
    """The documented defaults, with the user's own folders for models, candles and logs."""
    return Config.model_validate({}, context={"base": user_data()})


def restore_config(dumped: dict[str, Any]) -> Config:
    """The configuration whose `model_dump(mode="json")` this is: checked already, by `load_config`.

    A plugin's feature or learner that it names is taken as known.
    """
    features = {name for bucket in dumped["BUCKET_CONFIGS"].values() for name in bucket["FEATURES"]}
    known = {"features": tuple(features), "learners": (dumped["LEARNER"],)}
    context = {**known, **_named_elsewhere(dumped)}
    return Config.model_validate(dumped, context=context)


def load_config(
    path: Path | None = None,
    *,
    features: Collection[str] = BUILTIN_FEATURES,
    learners: Collection[str] = BUILTIN_LEARNERS,
) -> Config:
    """Read the configuration at `path`; without a path, the one `find_config` finds, or defaults.

    `features` are the names that FEATURES may contain, `learners` those of LEARNER. Raises
    `ConfigError` listing everything that is wrong.
    """
    path = path or find_config()
    if path is None:
        return default_config()
    return check_raw(read_raw(path), path, features=features, learners=learners)


def check_raw(
    raw: dict[str, Any],
    path: Path,
    *,
    features: Collection[str] = BUILTIN_FEATURES,
    learners: Collection[str] = BUILTIN_LEARNERS,
) -> Config:
    """The configuration that a file at `path` would be with this object; as `load_config`.

    The ConfigError that it raises says of each key what is wrong with it.
    """
    known = {"features": tuple(features), "learners": tuple(learners)}
    context = {"base": path.parent, **known, **_named_elsewhere(raw)}
    try:
        return Config.model_validate(raw, context=context)
    except ValidationError as error:
        faults = dict(map(_fault, error.errors()))
        lines = "\n".join(f"  {line}" for line in map(_describe, error.errors()))
        raise ConfigError(f"{path} has {error.error_count()} to mend:\n{lines}", faults) from None


def without_secrets(values: dict[str, Any]) -> dict[str, Any]:
    """The configuration's values as they may be shown; the guide's own keys name no secret."""
    plugins = {
        name: {**section, "SETTINGS": redact(section["SETTINGS"])}
        for name, section in values["PLUGINS"].items()
    }
    return {key: redact([one])[0] for key, one in values.items()} | {"PLUGINS": plugins}
