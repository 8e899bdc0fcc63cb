"""Checkpoints: one directory each, with a hashed manifest as the commit point.

    checkpoints/00000042/state.safetensors
    checkpoints/00000042/manifest.json       {"format", "progress", "fingerprint", "sha256"}

A checkpoint is written to a hidden directory, synced, renamed and the parent synced, so that a
kill or a power cut at any moment leaves the previous ones whole.
"""

import json
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from btc_ai.durable import Write, sync_directory, write_durably
from btc_ai.learning.files import disk_errors, sha256

FORMAT = 3
KEPT = 2
STATE = "state.safetensors"
MANIFEST = "manifest.json"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """All that a run needs to go on.

    tensors: the learner's state and the best weights so far. progress: counters and the best
    value, JSON. fingerprint: what the run was started with (`settings.fingerprint`).
    """

    tensors: dict[str, Tensor]
    progress: dict[str, Any]
    fingerprint: dict[str, Any]


class CheckpointStore:
    """The checkpoints of one run, in `directory`; the last two are kept."""

    def __init__(self, directory: Path, write: Write = write_durably) -> None:
        """`write` puts bytes into a new file durably; tests pass one that fails."""
        self.directory = directory
        self._write = write

    def save(self, number: int, checkpoint: Checkpoint) -> None:
        """Write checkpoint `number` (they only grow); raises TrainingError when the disk will not.

        After an error all earlier checkpoints are as they were.
        """
        final = self.directory / f"{number:08d}"
        temporary = self.directory / f".{number:08d}.tmp"
        with disk_errors(final):
            try:
                self.directory.mkdir(parents=True, exist_ok=True)
                shutil.rmtree(temporary, ignore_errors=True)
                temporary.mkdir()
                self._fill(temporary, checkpoint)
                if final.exists():
                    self._remove(final)
                temporary.rename(final)
                sync_directory(self.directory)
            except OSError:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
        self._prune()

    def _fill(self, directory: Path, checkpoint: Checkpoint) -> None:
        state = save(checkpoint.tensors)
        manifest = {
            "format": FORMAT,
            "progress": checkpoint.progress,
            "fingerprint": checkpoint.fingerprint,
            "sha256": {STATE: sha256(state)},
        }
        self._write(directory / STATE, state)
        self._write(directory / MANIFEST, json.dumps(manifest, indent=1).encode())
        sync_directory(directory)

    def load_latest(self) -> Checkpoint | None:
        """The newest whole checkpoint; a torn or corrupt one is passed over with a warning."""
        for directory in reversed(self._complete()):
            try:
                return _read(directory)
            except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
                _log.warning(
                    "checkpoint %s is damaged (%s); taking the one before it", directory, error
                )
        return None

    def read_all(self) -> list[Checkpoint]:
        """Every checkpoint in sight, oldest first.

        Raises OSError, ValueError, KeyError or TypeError where one is damaged.
        """
        try:
            return [_read(directory) for directory in self._complete()]
        except SafetensorError as error:
            raise ValueError(str(error)) from error

    def clear(self) -> None:
        """Remove all checkpoints: the run has ended."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def _complete(self) -> list[Path]:
        return sorted(self.directory.glob("[0-9]" * 8)) if self.directory.is_dir() else []

    def _prune(self) -> None:
        for directory in self._complete()[:-KEPT]:
            self._remove(directory)

    @staticmethod
    def _remove(directory: Path) -> None:
        """Hide it first, so that a kill meanwhile leaves no part of a checkpoint in sight."""
        hidden = directory.with_name(f".{directory.name}.old")
        shutil.rmtree(hidden, ignore_errors=True)
        directory.rename(hidden)
        shutil.rmtree(hidden, ignore_errors=True)


def _read(directory: Path) -> Checkpoint:
    manifest = json.loads((directory / MANIFEST).read_bytes())
    state = (directory / STATE).read_bytes()
    if manifest["format"] != FORMAT:
        raise ValueError(f"format {manifest['format']} is not {FORMAT}")
    if sha256(state) != manifest["sha256"][STATE]:
        raise ValueError(f"{STATE} does not match its hash")
    return Checkpoint(load(state), manifest["progress"], manifest["fingerprint"])
