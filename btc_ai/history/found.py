"""Runs as their folders in MODELS_DIR tell of them, in the words of the event `training.run`.

For where nothing else does. Folders do not tell of runs that wait, nor why one has failed.
"""

import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from btc_ai.config import SAMPLE_SYMBOL
from btc_ai.history.files import (
    CARD,
    CHECKPOINTS,
    METRICS,
    MOST,
    model_folders,
    newest_metrics,
    read_card,
    read_object,
)
from btc_ai.history.rows import MAIN, SCRATCH, UNKNOWN_SEED

Body = Mapping[str, Any]
Stamp = tuple[int, int, int]

QUIET_S = 300.0
"""A bucket without a model whose files have not changed for so long has been stopped.

Changes before `since` tell nothing: who copies a folder makes all of it new.
"""
_OF_TRAINING = re.compile(r"([a-z2-9]{6})(-\d+)?")


@dataclass(frozen=True)
class RunFolder:
    """A folder of a run, unread. metrics, stamp: what changes with its metrics, and with anything.

    first, last: the oldest and the newest change of what is in it, seconds since 1970.
    """

    path: Path
    arm: str
    metrics: Stamp
    stamp: tuple[Stamp, ...]
    first: float
    last: float

    @property
    def main(self) -> Path:
        """As `main_of`."""
        return main_of(self.path)


def main_of(folder: Path) -> Path:
    """The folder of the main arm of a bucket: this one, or the one beside it."""
    return folder.with_name(folder.name.removesuffix(f"-{SCRATCH}"))


def look(models_dir: Path) -> dict[str, list[RunFolder]]:
    """The folders of each run; what is in them is not read."""
    found: dict[str, list[RunFolder]] = {}
    for path in model_folders(models_dir, []):
        metrics, card, checkpoints = (stamp_of(path / one) for one in (METRICS, CARD, CHECKPOINTS))
        if not any(metrics + card):
            continue
        stamp = (metrics, card, checkpoints)
        times = [one[1] for one in (*stamp, stamp_of(path)) if any(one)]
        arm = SCRATCH if path.name.endswith(f"-{SCRATCH}") else MAIN
        folder = RunFolder(path, arm, metrics, stamp, min(times) / 1e9, max(times) / 1e9)
        own = _OF_TRAINING.fullmatch(folder.main.name)
        found.setdefault(own[1] if own else folder.main.name, []).append(folder)
    return found


def stamp_of(path: Path) -> Stamp:
    """Inode, time of the last change (ns) and size of a file or folder; zeros: there is none."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0, 0
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        return 0, 0, 0
    return status.st_ino, status.st_mtime_ns, status.st_size


def is_growing(folders: Iterable[RunFolder], now: float, since: float) -> bool:
    """Whether somebody writes into one of these folders."""
    return any(one.last > max(now - QUIET_S, since) for one in folders)


def state_of(folders: Iterable[RunFolder], now: float, since: float = 0.0) -> tuple[Any, ...]:
    """What is another as soon as `read_run` tells something else of a run."""
    folders = list(folders)
    return is_growing(folders, now, since), *((one.path, one.stamp) for one in folders)


def read_run(
    run: str, folders: Sequence[RunFolder], transfers: Iterable[Body], now: float,
    since: float = 0.0,
) -> Body | None:  # fmt: skip
    """A run as `training.run` tells it; its buckets in the order in which their models were made.

    None: what is there is another program's. Raises LookupError, TypeError, ValueError or
    AttributeError where cards or rows of the ledger are malformed.
    """
    buckets: dict[Path, dict[str, _Arm]] = {}
    for folder in folders:
        arm = _read(folder)
        if arm.card or arm.newest or (any(folder.metrics) and not folder.metrics[2]):
            buckets.setdefault(folder.main, {})[folder.arm] = arm
    if not buckets:
        return None
    ledger = {_place(Path(row["target"]["directory"])): row for row in transfers if _is_ours(row)}
    steps = [
        _step(arms, ledger.get(_place(main), {}), now, since) for main, arms in buckets.items()
    ]
    steps.sort(key=lambda one: (one["ended"] is None, one["ended"] or 0.0, one["directory"]))
    cards = [arm.card for arms in buckets.values() for arm in arms.values()]
    symbol = next((str(one["symbol"]) for one in cards if "symbol" in one), "")
    states, last = [one["state"] for one in steps], max(one.last for one in folders)
    return {
        "run": run,
        "state": next((one for one in ("running", "stopped") if one in states), "done"),
        "error": None,
        "created": min([one.first for one in folders] + [one["ended"] or now for one in steps]),
        "updated": max(one["ended"] or last for one in steps),
        "symbol": symbol,
        "interval": next((str(one["interval"]) for one in cards if "interval" in one), ""),
        "synthetic": symbol == SAMPLE_SYMBOL,
        "seed": UNKNOWN_SEED,
        "transfer": len(steps) == 1 or any(one["transfer"] for one in steps),
        "steps": [{"position": position, **one} for position, one in enumerate(steps)],
    }


@dataclass(frozen=True)
class _Arm:
    """What a folder holds; what it lacks is empty. settings: what is trained with."""

    folder: RunFolder
    card: Body
    settings: Body
    newest: Body


def _read(folder: RunFolder) -> _Arm:
    card = read_card(folder.path) or {}
    settings = card.get("settings") or _settings_of_checkpoint(folder.path) or {}
    return _Arm(folder, card, settings, newest_metrics(folder.path) if any(folder.metrics) else {})


def _settings_of_checkpoint(folder: Path) -> Body | None:
    newest = max((folder / CHECKPOINTS).glob("[0-9]" * 8), default=None)
    manifest = read_object(newest / "manifest.json") if newest else None
    return (manifest or {}).get("fingerprint")


def _place(directory: Path) -> tuple[str, ...]:
    """BUCKET/RUN: the same wherever MODELS_DIR has been moved to."""
    return directory.parts[-2:]


def _is_ours(row: Body) -> bool:
    with suppress(LookupError, TypeError):
        return isinstance(row["target"]["directory"], str) and isinstance(row["source"], dict)
    return False


def _step(arms: Mapping[str, _Arm], row: Body, now: float, since: float) -> Body:
    """A bucket of a run. row: its transfer in the ledger, empty where it has none there."""
    verdict = _verdict(arms.values(), row)
    rolled_back = verdict is not None and verdict["decision"] == "rolled_back"
    twin = arms.get(SCRATCH)
    own = twin if twin and (rolled_back or MAIN not in arms) else arms[MAIN]
    judged = twin is None or twin.card or verdict is not None
    card = own.card if judged else {}
    settings, newest = own.settings, own.newest
    episodes = _count(settings.get("episodes")) or _count(newest.get("episodes"))
    growing = is_growing((one.folder for one in arms.values()), now, since)
    return {
        "bucket": own.folder.path.parent.name,
        "state": "done" if card else "running" if growing else "stopped",
        "learner": str(settings.get("learner", "")),
        "episodes": episodes,
        "episode": _count(newest.get("episode")) or (episodes if card else 0),
        "metrics": newest,
        "started": _moment(row.get("time")),
        "ended": (_moment(card.get("created")) or own.folder.last) if card else None,
        "continued_from": None,
        "transfer": _plan(row, own.card),
        "verdict": verdict,
        "rolled_back": None,
        "directory": str(own.folder.path),
        "memory": list(card.get("memory", [])),
        "degraded": bool(card.get("degraded")),
        "outcome": _outcome(own.folder.path, card) if card else None,
        "restarts": {},
        "stalled_since": None,
    }


def _count(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value <= MOST else 0


def _moment(text: object) -> float | None:
    """Seconds since 1970 of a time as cards and ledgers write it."""
    with suppress(TypeError, ValueError, OverflowError):
        return datetime.fromisoformat(text).timestamp()  # type: ignore[arg-type]
    return None


def _verdict(arms: Iterable[_Arm], row: Body) -> Body | None:
    """Whether a transfer has helped: the ledger knows all, the card of the model how it ended."""
    if row.get("verdict"):
        return {**row["verdict"], "decision": row["verdict"]["decision"]}
    if "not_measured" in row:
        return {"decision": None, "error": row["not_measured"]}
    found = next((one.card["verdict"] for one in arms if one.card.get("verdict")), None)
    if found is None:
        return None
    nothing = ("jumpstart", "asymptote", "time_to_threshold", "transfer_ratio")
    kept = {key: found[key] for key in ("decision", "reason", "impact")}
    return {**dict.fromkeys(nothing), "comparisons": [], **kept}


def _plan(row: Body, card: Body) -> Body | None:
    """What was carried over, and from where."""
    told = row or card.get("transfer")
    if not told:
        return None
    source, kinds = told["source"], list(told["kinds"])
    reason = row.get("reason") or row.get("error") or None
    return {
        "kinds": kinds, "source": source.get("bucket"),
        "model": source.get("model") or source.get("path"),
        "weights_sha256": source.get("weights_sha256"), "reason": reason,
        **{key: _features(told.get(key, [])) for key in ("matched", "new", "left")},
        "notes": [], "report": {"kinds": kinds, "reason": reason},
    }  # fmt: skip


def _features(columns: Iterable[str]) -> list[str]:
    """`price.range` is a column of the feature `price`."""
    return list(dict.fromkeys(one.partition(".")[0] for one in columns))


def _outcome(folder: Path, card: Body) -> Body:
    """As the worker that made the model told it."""
    told = ("bucket", "weights_sha256", "episodes", "validation", "evaluation")
    more = ("horizon_skill", "transfer", "memory", "degraded")
    return {
        "model": str(folder), **{key: card[key] for key in told},
        **{key: card.get(key) for key in more},
        "ancestors": (card.get("lineage") or {}).get("ancestors", []),
    }  # fmt: skip
