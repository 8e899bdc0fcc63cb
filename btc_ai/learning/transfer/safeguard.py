"""Memory safeguards of a transfer: measured before, the less hungry form where memory is short.

Whatever happens, source and target are as they were: the source is only read, and the target's
network is made anew for each attempt. What was decided is kept in the run's directory, with a copy
of the source, so that a run that is resumed begins as it did the first time, however much memory
there is by then, and whatever has become of the source.
"""

import dataclasses
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from btc_ai.api.transfer import MB, expected_mb, ladder
from btc_ai.config import DEFAULT_MAX_MEMORY_USAGE
from btc_ai.durable import replace_durably
from btc_ai.errors import TrainingError
from btc_ai.learning.files import disk_errors, sha256
from btc_ai.learning.memory.backend import MemoryBackend, Reading, is_out_of_memory
from btc_ai.learning.memory.host import HostMemory, PeakMemory
from btc_ai.learning.model_card import CARD, WEIGHTS
from btc_ai.learning.start import InitialModel, Start
from btc_ai.names import TransferKind

DECISION = "transfer.json"
SOURCE = "source"
MUCH_MB = 50.0
"""More than this still held after the clean-up, beyond what was held before, is warned of."""

_log = logging.getLogger(__name__)

Make = Callable[[InitialModel | None], Start]


@dataclass(frozen=True)
class TransferReport:
    """How a transfer went.

    asked, kinds: what was to be carried, and what of it there was room for (`done` says for what
    of that the source had anything to give). rungs: the forms that were passed over,
    `kinds` and the `reason` for each. rung: how many those are. before, after: memory around it
    (`Reading.to_json`); peak_mb: the most that this process held within, None where the system does
    not say. done: what was matched (`Transfer.to_json`), None without a transfer.
    """

    asked: tuple[TransferKind, ...]
    kinds: tuple[TransferKind, ...]
    rungs: tuple[dict[str, Any], ...]
    before: dict[str, Any]
    peak_mb: float | None
    after: dict[str, Any]
    duration_s: float
    error: str | None = None
    done: dict[str, Any] | None = None

    @property
    def rung(self) -> int:
        """Steps down the ladder."""
        return len(self.rungs)

    @property
    def kept_mb(self) -> float | None:
        """What this process holds more than before, with all given back that is not used."""
        before, after = (one.get("own_mb") for one in (self.before, self.after))
        return None if before is None or after is None else round(after - before, 1)

    @property
    def reason(self) -> str:
        """Why not all that was asked for, in words; empty where it was."""
        return self.error or "; ".join(one["reason"] for one in self.rungs[-1:])

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        plain = {**dataclasses.asdict(self), "rung": self.rung, "reason": self.reason}
        plain["kept_mb"] = self.kept_mb
        return {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> "TransferReport":
        """The report that `to_json` gave."""
        names = [each.name for each in dataclasses.fields(cls)]
        own: dict[str, Any] = {name: plain[name] for name in names}
        for name in ("asked", "kinds", "rungs"):
            own[name] = tuple(own[name])
        return cls(**own)


@dataclass
class Safeguard:
    """Carries a transfer out in `directory`, the target's own.

    limit: share of memory that may be in use with the transfer, KNOWLEDGE_TRANSFER's
    MAX_MEMORY_USAGE. on_report hears how it went, again whenever the run is resumed.
    peak_before_mb: the most that this process held before its peak was measured anew, None where
    that was not done.
    """

    directory: Path
    limit: float = DEFAULT_MAX_MEMORY_USAGE
    backend: MemoryBackend = field(default_factory=HostMemory)
    on_report: Callable[[TransferReport], None] = lambda report: None
    peak_before_mb: float | None = field(default=None, init=False)

    def begin(self, initial: InitialModel, make: Make) -> tuple[Start, InitialModel | None]:
        """The start that `make` gives with as much of the transfer as is possible.

        And the initial model it took, None where the run begins from scratch. Raises TrainingError
        where the decision cannot be kept, or one that was kept cannot be carried out any more.
        """
        kept = self._kept()
        if kept is not None:
            self.on_report(kept)
            chosen = self._with_copy(_with_kinds(initial, kept.kinds))
            return make(chosen), chosen
        start, chosen, report = self._attempt_all(initial, lambda one: self._made(make, one))
        if report.reason:
            carried = ", ".join(report.kinds) or "nothing"
            _log.warning("the transfer carries %s: %s", carried, report.reason)
        if report.kept_mb is not None and report.kept_mb > MUCH_MB:
            _log.warning("after the transfer %g MB more are held than before", report.kept_mb)
        self.on_report(report)
        with disk_errors(self.directory / DECISION):
            self.directory.mkdir(parents=True, exist_ok=True)
            content = json.dumps(report.to_json(), indent=1).encode()
            replace_durably(self.directory / DECISION, content)
        return start, self._with_copy(chosen)

    def _made(self, make: Make, initial: InitialModel | None) -> Start:
        """The start, once the source that it was made from is in the run's directory."""
        start = make(initial)
        if initial is None:
            return start
        content = {name: _read(initial.path / name) for name in (CARD, WEIGHTS)}
        if start.transfer and sha256(content[WEIGHTS]) != start.transfer.source["weights_sha256"]:
            raise TrainingError(f"{initial.path} has changed while it was carried over")
        copy = self.directory / SOURCE
        with disk_errors(copy):
            copy.mkdir(parents=True, exist_ok=True)
            for name, each in content.items():
                replace_durably(copy / name, each)
        return start

    def _with_copy(self, initial: InitialModel | None) -> InitialModel | None:
        """To be read from the run's own copy; runs of earlier versions have none."""
        copy = self.directory / SOURCE
        if initial is None or not (copy / CARD).is_file():
            return initial
        return dataclasses.replace(initial, copy=copy)

    def _kept(self) -> TransferReport | None:
        try:
            return TransferReport.from_json(json.loads((self.directory / DECISION).read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TrainingError(
                f"{self.directory / DECISION} cannot be read ({error}); remove {self.directory} "
                "and train the bucket again"
            ) from error

    def _attempt_all(
        self, initial: InitialModel, make: Make
    ) -> tuple[Start, InitialModel | None, TransferReport]:
        began, peak, before = time.perf_counter(), PeakMemory(), self.backend.read()
        self.peak_before_mb = peak.of_process_mb()
        peak.reset()
        rungs: list[dict[str, Any]] = []
        start, chosen, error = self._descend(initial, make, rungs)
        peak_mb = peak.read_mb()
        self.backend.empty_cache()
        report = TransferReport(
            asked=initial.kinds,
            kinds=chosen.kinds if chosen else (),
            rungs=tuple(rungs),
            before=before.to_json(),
            peak_mb=peak_mb,
            after=self.backend.read().to_json(),
            duration_s=round(time.perf_counter() - began, 3),
            error=error,
            done=start.transfer.to_json() if start.transfer else None,
        )
        return start, chosen, report

    def _descend(
        self, initial: InitialModel, make: Make, rungs: list[dict[str, Any]]
    ) -> tuple[Start, InitialModel | None, str | None]:
        """The first form of the transfer that can be made, and the error where there is none.

        Adds the forms passed over to `rungs`. Raises MemoryError where not even a network can be.
        """
        for kinds in ladder(initial.kinds):
            chosen, error = _with_kinds(initial, kinds), None
            reason = self._too_much(initial.path, kinds) if chosen else None
            if reason is None:
                start, reason, error = _attempt(make, chosen)
                if start:
                    return start, chosen, None
            rungs.append({"kinds": list(kinds), "reason": reason})
            if error:
                return make(None), None, error
            self.backend.empty_cache()
        raise MemoryError(rungs[-1]["reason"])

    def _too_much(self, source: Path, kinds: tuple[TransferKind, ...]) -> str | None:
        """Why `kinds` are not even tried; None: there is room for them."""
        weights = source / WEIGHTS
        needed = expected_mb(kinds, weights.stat().st_size if weights.is_file() else 0)
        reading = self.backend.read()
        share = _share_with(reading, needed)
        if share <= self.limit:
            return None
        return (
            f"with {', '.join(kinds)} ({needed:g} MB) {share:.1%} of the {self.backend.name}'s "
            f"memory would be in use, more than MAX_MEMORY_USAGE ({self.limit:.0%})"
        )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TrainingError(f"{path} cannot be read any more: {error.strerror}") from error


def _share_with(reading: Reading, needed_mb: float) -> float:
    return 1 - (reading.free - needed_mb * MB) / reading.total


def _with_kinds(initial: InitialModel, kinds: tuple[TransferKind, ...]) -> InitialModel | None:
    return dataclasses.replace(initial, kinds=kinds) if kinds else None


def _attempt(
    make: Make, initial: InitialModel | None
) -> tuple[Start | None, str | None, str | None]:
    """The start; else why not, and, where less of the same would not do either, the error."""
    try:
        return make(initial), None, None
    except TrainingError as error:
        return None, str(error), str(error)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return None, f"out of memory: {str(error).partition(chr(10))[0] or 'MemoryError'}", None
