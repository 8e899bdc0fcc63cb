"""What a backup holds, and where each part of it belongs."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from btc_ai.config import Config
from btc_ai.errors import BtcAiError
from btc_ai.paths import history_file, journal_file

Kind = Literal["file", "database", "link"]
CONFIG, MODELS = "config", "models"
METADATA = (".json", ".jsonl")
LEFT_OUT = ("checkpoints", "reports")
"""Checkpoints are nothing without their weights, and reports can be made again."""


@dataclass(frozen=True)
class Item:
    """A thing to keep. name: in the backup, `models/Short/abc/model.json`; path: where it lies."""

    name: str
    path: Path
    kind: Kind


def contents(config: Config, config_file: Path | None) -> list[Item]:
    """Everything that a backup is to hold: weights and candles are not part of it.

    Raises BtcAiError where MODELS_DIR or a folder in it cannot be looked into.
    """
    found = [] if config_file is None else [Item(f"{CONFIG}/btc_ai.json", config_file, "file")]
    databases = (journal_file(config.MODELS_DIR), history_file(config.MODELS_DIR))
    found += [Item(f"{MODELS}/{one.name}", one, "database") for one in databases]
    try:
        found = [one for one in found if one.path.is_file()]
    except OSError as error:
        raise _not_seen(error) from None
    return found + _metadata(config.MODELS_DIR)


def _metadata(models: Path) -> list[Item]:
    """Model cards, ledgers, metrics, and which model of a bucket is the latest."""
    found = []
    for folder, folders, files in os.walk(models, onerror=_cannot_look):
        inner = Path(folder)
        links = [inner / name for name in folders if (inner / name).is_symlink()]
        found += [_item(models, path, "link") for path in sorted(links)]
        folders[:] = sorted(one for one in folders if one not in LEFT_OUT)
        kept = [inner / name for name in sorted(files) if Path(name).suffix in METADATA]
        found += [_item(models, path, "file") for path in kept if path.is_file()]
    return found


def _item(models: Path, path: Path, kind: Kind) -> Item:
    return Item(f"{MODELS}/{path.relative_to(models).as_posix()}", path, kind)


def _cannot_look(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # a run may remove what it no longer needs
        raise _not_seen(error)


def _not_seen(error: OSError) -> BtcAiError:
    return BtcAiError(f"cannot look into {error.filename}: {error.strerror}")


def place(name: str, config: Config, config_file: Path | None) -> Path:
    """Where a part of a backup belongs. Raises BtcAiError for a name that belongs nowhere."""
    root, _, rest = name.partition("/")
    parts = rest.split("/")
    if root == CONFIG and rest == "btc_ai.json":
        if config_file is None:
            raise BtcAiError("name the configuration file to restore with --config")
        return config_file
    if root != MODELS or any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise BtcAiError(f"the backup holds {name!r}, which belongs nowhere")
    return config.MODELS_DIR.joinpath(*parts)
