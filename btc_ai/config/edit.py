"""Changes single keys of the configuration file, and leaves the rest of it as it is."""

import json
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

from btc_ai.config.load import default_config, load_config, read_raw
from btc_ai.errors import ConfigError


def set_plugin(path: Path, name: str, *, enabled: bool) -> None:
    """Write whether a plugin is enabled; a file that is not there is written with all defaults.

    Raises ConfigError where the file cannot be used or written; then it is as it was.
    """
    raw = read_raw(path) if path.exists() else default_config().model_dump(mode="json")
    sections = raw.setdefault("PLUGINS", {})
    if not isinstance(sections, dict) or not isinstance(sections.get(name, {}), dict):
        load_config(path)  # which says what is wrong with it
        raise ConfigError(f"{path}: PLUGINS.{name} must be a section")
    sections[name] = {**sections.get(name, {}), "ENABLED": enabled}
    _write(path, raw)


def _write(path: Path, raw: dict[str, Any]) -> None:
    """Replace the file in one step, with its owner, group and mode: others read it too."""
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
