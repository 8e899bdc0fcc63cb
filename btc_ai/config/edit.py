"""Changes single keys of the configuration file, and leaves the rest of it as it is."""

import json
import os
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
    """Replace the file in one step, with its mode."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        number, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(json.dumps(raw, indent=4) + "\n")
            os.fchmod(number, mode)
            os.fsync(number)
        Path(temporary).replace(path.resolve())
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from None
