"""The configuration: what is in force, and changes of it, checked and saved as the file is."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field
from starlette.requests import Request

from btc_ai.api.discovery import known_names
from btc_ai.api.service import Body
from btc_ai.api.threads import in_thread
from btc_ai.config import Config
from btc_ai.config.edit import flat, read_or_default, with_changes, write_raw
from btc_ai.config.effect import effect_of
from btc_ai.config.load import check_raw, read_raw, without_secrets
from btc_ai.dashboard.errors import ConflictError, FieldsError
from btc_ai.dashboard.parts import Parts
from btc_ai.dashboard.replies import Asked, body_of
from btc_ai.errors import BtcAiError, ConfigError
from btc_ai.paths import find_config, user_config
from btc_ai.redaction import HIDDEN

BUCKETS = "BUCKET_CONFIGS"
"""A section that counts as a whole: where the file lacks it, a change of one bucket needs all."""


class ChangesBody(Asked):
    """New values by dotted key, None for the default; of the file that has this hash."""

    changes: dict[str, Any] = Field(min_length=1, max_length=200)
    sha256: str = Field(max_length=64)


async def settings(parts: Parts, request: Request) -> Body:
    """All that a page of settings shows."""
    return await in_thread(lambda: _shown(parts))


def _shown(parts: Parts) -> Body:
    path, why = _file(parts), ""
    raw: Body = {}
    config = parts.config
    try:
        if path.exists():
            raw = read_raw(path)
            config = check_raw(raw, path, **known_names())
        why = _why_not_writable(path)
    except ConfigError as error:
        why = str(error)
    values = _public(config)
    return {
        "file": str(path) if path.exists() else None,
        "sha256": _hash(path),
        "writable": not why,
        "why": why,
        "schema": Config.model_json_schema(),
        "values": values,
        "set": sorted(_differing(raw, config, path)),
        "takes_effect": {key: effect_of(key) for key in flat(values)},
    }


def _file(parts: Parts) -> Path:
    """The configuration file, or where one would be found."""
    return find_config(parts.config_file) or user_config()


def _differing(raw: Body, config: Config, path: Path) -> Iterator[str]:
    """The keys of the file at whose values the configuration is another than without them."""
    values, defaults = (
        flat(one.model_dump(mode="json")) for one in (config, check_raw({}, path, **known_names()))
    )
    for key in flat(raw):
        if key not in defaults or values.get(key) != defaults[key]:
            yield key


def _public(config: Config) -> Body:
    """The configuration without its secrets."""
    shown = without_secrets(config.model_dump(mode="json"))
    if config.HISTORY_URL is not None:
        shown["HISTORY_URL"] = HIDDEN
    return shown


def _why_not_writable(path: Path) -> str:
    """Why the file cannot be replaced; empty where it can."""
    folder = path.resolve().parent
    while not folder.exists():
        folder = folder.parent
    if os.access(folder, os.W_OK) and (not path.exists() or os.access(path, os.W_OK)):
        return ""
    return f"the dashboard's user may not write to {folder}; edit {path} as who may"


def _hash(path: Path) -> str:
    """What the file is; empty where there is none that can be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


async def change(parts: Parts, request: Request) -> Body:
    """Check, save, have the daemon read it; what takes effect when."""
    asked = await body_of(request, ChangesBody)
    async with parts.settings_lock:
        path = await in_thread(lambda: _save(parts, asked))
        parts.log.info(
            "settings changed", who=request.scope["who"], keys=", ".join(asked.changes),
            file=str(path),
        )  # fmt: skip
        return await _put_in_force(parts, sorted(asked.changes))


def _save(parts: Parts, asked: ChangesBody) -> Path:
    """Raises ConflictError where the file is another by now, and ConfigError."""
    _refuse_hidden(asked.changes)
    path = _file(parts)
    if _hash(path) != asked.sha256:
        raise ConflictError(f"{path} was changed meanwhile; look at it anew")
    raw = read_or_default(path)
    if any(key.startswith(f"{BUCKETS}.") for key in asked.changes):
        raw = {BUCKETS: parts.config.model_dump(mode="json")[BUCKETS]} | raw
    raw = with_changes(raw, asked.changes)
    check_raw(raw, path, **known_names())
    write_raw(path, raw)
    return path


def _refuse_hidden(changes: Mapping[str, Any]) -> None:
    """A secret is never shown, so what comes back hidden would destroy it."""
    hidden = [key for key, value in changes.items() if HIDDEN in str(value)]
    if hidden:
        said = f"holds {HIDDEN}, which stands for a secret; leave it out, or write it anew"
        message = "; ".join(f"{key} {said}" for key in hidden)
        raise FieldsError(message, dict.fromkeys(hidden, said))


async def _put_in_force(parts: Parts, keys: list[str]) -> Body:
    if not parts.hub.connected:
        return {"applied": [], "next_job": keys, "restart": []}
    try:
        found = await parts.bus.call("daemon.reload", {})
    except BtcAiError as error:
        return {"applied": [], "next_job": [], "restart": keys, "problem": str(error)}
    return {name: found[name] for name in ("applied", "next_job", "restart")}
