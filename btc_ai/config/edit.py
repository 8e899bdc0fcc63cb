"""Changes single keys of the configuration file, and leaves the rest of it as it is."""

import copy
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from btc_ai.config.load import default_config, load_config, read_raw
from btc_ai.errors import ConfigError


def set_plugin(path: Path, name: str, *, enabled: bool) -> None:
    """Write whether a plugin is enabled; a file that is not there is written.

    Raises ConfigError where the file cannot be used or written; then it is as it was.
    """
    raw = read_or_default(path)
    sections = raw.get("PLUGINS", {})
    if not isinstance(sections, dict) or not isinstance(sections.get(name, {}), dict):
        load_config(path)  # which says what is wrong with it
        raise ConfigError(f"{path}: PLUGINS.{name} must be a section")
    write_raw(path, with_changes(raw, {f"PLUGINS.{name}.ENABLED": enabled}))


def read_or_default(path: Path) -> dict[str, Any]:
    """The file's object, unchecked; where there is no file, the folders in use without one.

    Else they would move to beside the new file. Raises ConfigError.
    """
    if path.exists():
        return read_raw(path)
    values = default_config().model_dump(mode="json")
    return {key: value for key, value in values.items() if key.endswith("_DIR")}


def with_changes(raw: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with other values of some dotted keys; None takes a key out, back to its default.

    Raises ConfigError where a key leads through what is no section.
    """
    made = copy.deepcopy(dict(raw))
    for key, value in changes.items():
        *sections, last = key.split(".")
        inner = made
        for section in sections:
            inner = inner.setdefault(section, {})
            if not isinstance(inner, dict):
                raise ConfigError(f"{key}: {section} is no section", {key: "is in no section"})
        if value is None:
            inner.pop(last, None)
        else:
            inner[last] = value
    return made


def flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Every value by its dotted key, as in `LOGGING.LEVEL`."""

    def walk(value: Any, key: str) -> Iterator[tuple[str, Any]]:
        if not isinstance(value, dict):
            yield key, value
            return
        for name, inner in value.items():
            yield from walk(inner, f"{key}.{name}" if key else name)

    return dict(walk(dict(values), ""))


def write_raw(path: Path, raw: dict[str, Any]) -> None:
    """Replace the file in one step, with its owner, group and mode: others read it too.

    Raises ConfigError where that cannot be; then it is as it was.
    """
    path = path.resolve()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                file.write(json.dumps(raw, indent=4) + "\n")
                file.flush()
                _take_after(number, path)
                os.fsync(number)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from None


def _take_after(number: int, path: Path) -> None:
    """Give an open file the owner, group and mode of `path`, where it is there."""
    if not path.exists():
        os.fchmod(number, 0o644)
        return
    found = path.stat()
    os.fchown(number, found.st_uid, found.st_gid)
    os.fchmod(number, stat.S_IMODE(found.st_mode))
