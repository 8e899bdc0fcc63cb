"""Which checkpoints and models a bucket's folder has now."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from btc_ai.history.files import read_object, scratch_of

STATE, WEIGHTS = "state.safetensors", "model.safetensors"


def found_checkpoints(step: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Rows of a bucket as `training.run` tells it: `checkpoint`s to go on from, and its `model`."""
    directory, outcome = step["directory"], step["outcome"]
    if directory is None:
        return
    for folder in dict.fromkeys((directory, scratch_of(directory))):
        for one in sorted(Path(folder, "checkpoints").glob("[0-9]" * 8)):
            yield from _checkpoint(one)
    if outcome:
        weights = Path(outcome["model"], WEIGHTS)
        episode = outcome["validation"].get("episode") or step["episode"]
        yield from _row(weights, "model", int(episode), outcome["weights_sha256"])


def _checkpoint(directory: Path) -> Iterator[dict[str, Any]]:
    manifest = read_object(directory / "manifest.json")
    if manifest is not None:
        hashes = manifest.get("sha256")
        known = hashes.get(STATE) if isinstance(hashes, dict) else None
        yield from _row(directory / STATE, "checkpoint", int(directory.name), known)


def _row(path: Path, kind: str, episode: int, sha256: str | None) -> Iterator[dict[str, Any]]:
    """Nothing where the file has gone meanwhile."""
    try:
        found = path.stat()
    except OSError:
        return
    yield {
        "path": str(path.parent),
        "kind": kind,
        "episode": episode,
        "bytes": found.st_size,
        "sha256": sha256,
        "time": found.st_mtime,
    }
