"""Does work again, one rung further up the ladder, for as long as it runs out of memory."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import torch

from btc_ai.errors import GO_ON, TrainingError
from btc_ai.learning.memory.backend import MemoryBackend, Reading, is_out_of_memory
from btc_ai.learning.memory.gpu import gpu_memory
from btc_ai.learning.memory.host import HostMemory, granted_bytes
from btc_ai.learning.memory.ladder import (
    ACTIONS,
    PRESERVING,
    Footprint,
    Phase,
    Rung,
    Situation,
)
from btc_ai.learning.memory.notes import MemoryLimits, MemoryNote

CPU = torch.device("cpu")
FREES, AMONG_EPISODES = 3, 10
"""Rung 1 costs an episode done twice, so it may be taken in 3 of any 10 episodes."""

Result = TypeVar("Result")

_log = logging.getLogger(__name__)


class MemoryExhaustedError(TrainingError):
    """The last rung: nothing is left to economise."""


def _reason(error: BaseException) -> str:
    """The first line of what torch says, without the place in its source."""
    line = str(error).partition("\n")[0].rpartition("DefaultCPUAllocator: ")[2]
    return line.rstrip(".") or type(error).__name__


def _nothing() -> None:
    """No preparation."""


class MemoryGuard:
    """One bucket's run as far as memory goes: where it computes, and which rungs it has taken.

    The trainer says with `enter` where it is and sets `chunks` and `windows` of an update.
    """

    def __init__(
        self,
        bucket: str,
        *,
        gpu: MemoryBackend | None = None,
        device: torch.device = CPU,
        host: MemoryBackend | None = None,
        limits: MemoryLimits | None = None,
        on_memory: Callable[[MemoryNote], None] = lambda note: None,
    ) -> None:
        """`gpu` is None on the CPU. `on_memory` hears each note once."""
        self._bucket, self._gpu, self._gpu_device = bucket, gpu, device
        self._host = host or HostMemory()
        self._limits = limits or MemoryLimits()
        self._on_memory = on_memory
        self._freed_now = self._warned = self._over = self._helpless = False
        self.footprint = Footprint()
        self.notes: list[dict[str, Any]] = []
        self.phase, self.episode = Phase.DATASET, 0
        self.chunks = self.windows = 1

    @classmethod
    def on(
        cls,
        device: torch.device,
        bucket: str,
        limits: MemoryLimits,
        on_memory: Callable[[MemoryNote], None],
    ) -> "MemoryGuard":
        """The guard of a run on `device`."""
        gpu = gpu_memory(device) if device.type == "cuda" else None
        return cls(bucket, gpu=gpu, device=device, limits=limits, on_memory=on_memory)

    @property
    def device(self) -> torch.device:
        """Where to compute."""
        return self._gpu_device if self._on_gpu else CPU

    @property
    def storage(self) -> torch.device:
        """Where to keep the dataset."""
        return CPU if self.footprint.host else self.device

    @property
    def backend(self) -> MemoryBackend:
        """The memory of `device`."""
        return self._gpu if self._gpu is not None and self._on_gpu else self._host

    @property
    def _on_gpu(self) -> bool:
        return self._gpu is not None and not self.footprint.cpu

    def enter(self, phase: Phase, episode: int) -> None:
        """Note where the run is; `episode` counts from 1."""
        self.phase, self.episode = phase, episode

    def to_json(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"footprint": self.footprint.to_json(), "notes": self.notes}

    def take_up(self, kept: dict[str, Any]) -> None:
        """Go on with the rungs that a checkpoint has, besides those taken since."""
        self.footprint = self.footprint.joined(Footprint(**kept["footprint"]))
        self.notes = kept["notes"] + [note for note in self.notes if note not in kept["notes"]]

    def attempt(self, work: Callable[[], Result], prepare: Callable[[], None] = _nothing) -> Result:
        """The result of `work`, done again after each rung while it runs out of memory.

        `prepare` comes before each repetition: it puts everything back to where `work` began.
        Raises MemoryExhaustedError at the last rung.
        """
        self._freed_now = False
        return self._repeat(work, prepare, [])

    def _repeat(
        self, work: Callable[[], Result], prepare: Callable[[], None], taken: list[MemoryNote]
    ) -> Result:
        while True:
            try:
                if taken:
                    prepare()
                    self._tell_taken(taken)
                return work()
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = _reason(error)
            # Not in the except block: the error keeps its frames, and their tensors, alive.
            self._climb(reason, taken, self._situation(self.phase))

    def watch(self, prepare: Callable[[], None]) -> None:
        """Measure; warn above the warning share, take the next rung above the limit.

        Rungs that change the results are taken only where this process alone is above the limit:
        what other programs do must not change what is learned. Call it between two episodes.
        """
        reading, self.phase = self.backend.read(), Phase.UPDATE
        self._warn(reading)
        if reading.used_share <= self._limits.limit:
            self._over = self._helpless = False
            return
        self._freed_now, self._over = self._over, True
        situation = self._situation(Phase.UPDATE)
        own = reading.own_share > self._limits.limit
        if own or any(situation.obstacle(rung) is None for rung in PRESERVING):
            share, limit = f"{reading.used_share:.0%}", f"{self._limits.limit:.0%}"
            taken: list[MemoryNote] = []
            self._climb(f"{share} in use, MEMORY_LIMIT_PERCENT is {limit}", taken, situation)
            self._repeat(_nothing, prepare, taken)
        elif not self._helpless:
            self._helpless = True
            self._tell(self._note("limit", "no rung helps that keeps the results", before=reading))

    def _warn(self, reading: Reading) -> None:
        above = reading.used_share > self._limits.warning
        if above and not self._warned:
            self._tell(self._note("warning", "memory runs short", before=reading))
        self._warned = above

    def say_no_gpu(self) -> None:
        """USE_GPU is true and there is none."""
        text = "USE_GPU is true and there is no CUDA device; trains on the CPU"
        self._on_memory(self._note("no_gpu", text))

    def _situation(self, phase: Phase) -> Situation:
        freed = None
        recent = [n["episode"] for n in self.notes if n["rung"] == Rung.FREE]
        if self._freed_now:
            freed = "it was not enough"
        elif len([one for one in recent if one > self.episode - AMONG_EPISODES]) >= FREES:
            freed = f"it was taken {FREES} times in {AMONG_EPISODES} episodes"
        return Situation(phase, self._on_gpu, self.footprint, self.chunks, self.windows, freed)

    def _climb(self, reason: str, taken: list[MemoryNote], situation: Situation) -> None:
        """Take the next rung and add it to `taken`. Raises MemoryExhaustedError at the last one."""
        before, backend = self.backend.read(), self.backend
        passed = {}
        for rung in Rung:
            obstacle = situation.obstacle(rung)
            if obstacle is None:
                break
            passed[str(rung.value)] = obstacle
        self._freed_now = self._freed_now or rung is Rung.FREE
        self.footprint = self.footprint.after(rung)
        backend.empty_cache()
        note = self._note(
            "rung", ACTIONS[rung], rung=int(rung), reason=reason, passed=passed, before=before
        )
        taken.append(note)
        self.notes.append(note.to_json())
        if rung is Rung.STOP:
            self._tell_taken(taken)
            raise MemoryExhaustedError(self._advice(reason))

    def _note(self, what: str, text: str, **values: Any) -> MemoryNote:
        return MemoryNote(
            what,
            text,
            self.backend.name,
            self.phase.value,
            self.episode,
            degraded=self.footprint.halved,
            **values,
        )

    def _tell_taken(self, taken: list[MemoryNote]) -> None:
        """Tell of the rungs taken, now that it can be measured what they have changed."""
        after = self.backend.read() if taken else None
        while taken:
            note = taken.pop(0)
            told = MemoryNote(**{**vars(note), "after": after})
            self.notes[self.notes.index(note.to_json())] = told.to_json()
            self._tell(told)

    def _tell(self, note: MemoryNote) -> None:
        rung = f"rung {note.rung}, " if note.rung else ""
        share = f"{note.before.used_share:.0%} of it in use" if note.before else ""
        why = note.reason or share
        where = f"{self._bucket}, episode {note.episode}, {note.phase}"
        _log.warning("memory of the %s: %s: %s%s (%s)", note.backend, where, rung, note.text, why)
        self._on_memory(note)

    def _remedy(self) -> str:
        if self.backend.name == "host" and granted_bytes() is not None:
            return "Raise SUPERVISION.WORKER_MEMORY_MB"
        return f"Close other programs that use the {self.backend.name}'s memory"

    def _advice(self, reason: str) -> str:
        return (
            f"{self._bucket} ran out of memory ({self.phase}, episode {self.episode}): {reason}. "
            f"{self._remedy()}, then "
            f"{GO_ON}: it goes on from the last checkpoint. Or start anew with a smaller "
            "BATCH_SIZE, fewer FEATURES or fewer buckets"
        )
