"""The ledger of trials: a line for every model that was ever trained, good, bad or failed.

The best of many models looks good by luck; how good depends on how many there were, and deleting
the bad ones does not undo having tried them. So trials are kept apart from models, and only ever
added to.
"""

import dataclasses
import fcntl
import json
import logging
import os
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btc_ai.durable import sync_directory
from btc_ai.learning.environment import Rollout
from btc_ai.learning.evaluation import accounting
from btc_ai.learning.files import disk_errors, sha256
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.candles import Candles, interval_ms

DAY_MS = 24 * 3600 * 1000
EPOCH = date(1970, 1, 1)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trial:
    """One trained model, as it did on its own test part.

    key: tells trials apart: directory and hash of the weights (or of the settings, where training
    failed). group: the walk-forward evaluation that it is a fold of. error: why it failed; then
    there are no results. test: [start, end) in ms. sharpe: annualised, None where equity never
    moved; skew and kurtosis (3 for a normal) are of a bar's simple returns. daily: net simple
    return of each UTC day from `first_day` on.
    """

    key: str
    directory: str
    symbol: str
    interval: str
    bucket: str
    settings_sha256: str
    data_sha256: str
    group: str | None = None
    time: str = ""
    error: str | None = None
    test: tuple[int, int] | None = None
    bars: int = 0
    sharpe: float | None = None
    skew: float = 0.0
    kurtosis: float = 3.0
    first_day: str | None = None
    daily: tuple[float, ...] = ()

    @property
    def series(self) -> str:
        """What its days belong to: the walk-forward evaluation, or the trial itself."""
        return self.group or self.key

    def days(self) -> dict[date, float]:
        """Net simple return by day."""
        if self.first_day is None:
            return {}
        first = date.fromisoformat(self.first_day)
        return {first + timedelta(days=i): value for i, value in enumerate(self.daily)}

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Trial":
        """The trial that `to_json` gave; raises TypeError for anything else."""
        test = values.get("test")
        lists = {"test": tuple(test) if test else None, "daily": tuple(values.get("daily", ()))}
        return cls(**{**values, **lists})


def trial_key(directory: Path, weights_sha256: str) -> str:
    """The key of the model in `directory`."""
    return f"{directory.resolve()}:{weights_sha256}"


def trained_trial(
    settings: TrainingSettings,
    candles: Candles,
    directory: Path,
    *,
    rollout: Rollout,
    test: slice,
    weights_sha256: str,
) -> Trial:
    """The trial of a model that was trained on `candles`; `rollout` is its test part's."""
    step = interval_ms(candles.interval)
    curve = accounting.equity(rollout)
    returns = accounting.simple_returns(curve)
    time = candles.time[test]
    first_day, daily = daily_returns(curve, known_at(time, step))
    return dataclasses.replace(
        _describe(settings, candles, directory, weights_sha256),
        test=(int(time[0]), int(time[-1]) + step),
        bars=len(returns),
        sharpe=accounting.sharpe(curve, step),
        skew=accounting.skewness(returns),
        kurtosis=accounting.kurtosis(returns),
        first_day=first_day,
        daily=daily,
    )


def failed_trial(
    settings: TrainingSettings, candles: Candles, directory: Path, error: Exception
) -> Trial:
    """The trial of a training that ended in `error`; the same failure again is the same trial."""
    trial = _describe(settings, candles, directory, f"failed:{settings_hash(settings)}")
    return dataclasses.replace(trial, error=str(error))


def _describe(settings: TrainingSettings, candles: Candles, directory: Path, what: str) -> Trial:
    return Trial(
        key=trial_key(directory, what),
        directory=str(directory.resolve()),
        symbol=candles.symbol,
        interval=candles.interval,
        bucket=settings.bucket,
        settings_sha256=settings_hash(settings),
        data_sha256=candles.sha256,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def settings_hash(settings: TrainingSettings) -> str:
    """Hash of all settings."""
    return sha256(json.dumps(settings.to_json(), sort_keys=True).encode())


def known_at(time: NDArray[np.int64], step: int) -> NDArray[np.int64]:
    """When what a decision at each bar earned in a bar is known: at the open of bar t + 2, ms."""
    return np.asarray(time + 2 * step)


def daily_returns(
    curve: NDArray[np.float64], known: NDArray[np.int64]
) -> tuple[str, tuple[float, ...]]:
    """First UTC day, and the simple return of each day from it on; 0 on days without bars."""
    growth = np.diff(np.log(curve), prepend=0.0)
    day = known // DAY_MS
    total = np.bincount(day - day[0], weights=growth)
    first = EPOCH + timedelta(days=int(day[0]))
    return first.isoformat(), tuple(round(value, 9) for value in np.expm1(total).tolist())


@dataclass(frozen=True)
class TrialLedger:
    """The ledger at `path`; what is recorded through it belongs to `group`, if there is one."""

    path: Path
    group: str | None = None

    def record(self, trial: Trial) -> None:
        """Append the trial durably, unless it is there; raises TrainingError (disk full).

        Safe from several processes at once: a lock is held while the file is searched, and the
        line is one write. A line that a crash cut short is closed first, and stays unread.
        """
        line = json.dumps({**trial.to_json(), "group": self.group}).encode() + b"\n"
        marker = f'"key": {json.dumps(trial.key)},'.encode()
        with disk_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            created = not self.path.exists()
            with self.path.open("a+b", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.seek(0)
                content = file.read()
                if any(marker in each and _parse(each) for each in content.splitlines()):
                    return
                torn = content and not content.endswith(b"\n")
                _write_all(file.fileno(), b"\n" + line if torn else line)
                os.fsync(file.fileno())
            if created:
                sync_directory(self.path.parent)

    def read(self) -> list[Trial]:
        """All trials, each once; a failed one that was resumed and finished is the finished one.

        Lines that cannot be read are passed over, with a warning in the log.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return []
        trials = {trial.key: trial for line in content.splitlines() if (trial := _parse(line))}
        finished = {trial.directory for trial in trials.values() if trial.error is None}
        return [t for t in trials.values() if t.error is None or t.directory not in finished]


def _write_all(descriptor: int, content: bytes) -> None:
    """One write; a disk that is full cuts it short, and the rest then raises OSError."""
    written = os.write(descriptor, content)
    while written < len(content):
        written += os.write(descriptor, content[written:])


def _parse(line: bytes) -> Trial | None:
    try:
        return Trial.from_json(json.loads(line)) if line.strip() else None
    except (ValueError, TypeError, AttributeError):
        _log.warning("a line of the trial ledger cannot be read and is passed over")
        return None
