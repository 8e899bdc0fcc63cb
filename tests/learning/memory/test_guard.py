import gc
import logging
import weakref

import pytest

from btc_ai.learning.memory.backend import Reading
from btc_ai.learning.memory.guard import FREES, MemoryExhaustedError, MemoryGuard
from btc_ai.learning.memory.ladder import Footprint, Phase, Rung, Situation
from btc_ai.learning.memory.notes import MemoryLimits
from tests.learning.memory.conftest import MakeGuard
from tests.learning.memory.faults import Card

LIMITS = MemoryLimits(limit=0.8, warning=0.6)


def set_use(guard: MemoryGuard, used: int, own: int = 10) -> None:
    assert isinstance(guard.backend, Card)
    guard.backend.reading = Reading(100, 100 - used, own)


class Thing:
    """Something large that a failing function holds."""


def test_what_a_failed_try_held_is_gone_when_the_rung_is_taken(make_guard: MakeGuard) -> None:
    guard, _ = make_guard()
    held: list[weakref.ref[Thing]] = []

    def work() -> bool:
        thing = Thing()
        if not held:
            held.append(weakref.ref(thing))
            raise MemoryError
        gc.disable()
        return held[0]() is None

    try:
        assert guard.attempt(work)
    finally:
        gc.enable()


def test_a_warning_is_given_once_until_use_has_fallen(
    make_guard: MakeGuard, caplog: pytest.LogCaptureFixture
) -> None:
    guard, notes = make_guard(limits=LIMITS)
    for used in (50, 61, 70, 61, 60, 65):
        set_use(guard, used)
        guard.watch(lambda: None)
    assert [(note.what, note.before and note.before.free) for note in notes] == [
        ("warning", 39),
        ("warning", 35),
    ]
    assert guard.notes == []
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "61% of it in use" in caplog.messages[0]


def test_above_the_limit_what_others_use_costs_no_result(make_guard: MakeGuard) -> None:
    guard, notes = make_guard(limits=LIMITS)
    guard.chunks = guard.windows = 2
    prepared: list[int] = []
    for episode in range(1, 9):
        set_use(guard, 90)
        guard.enter(Phase.CHECKPOINT, episode)
        guard.watch(lambda: prepared.append(1))
    assert [note.rung for note in notes if note.what == "rung"] == [1, 2, 3]
    assert len(prepared) == 3
    assert notes[-1].what == "limit"
    assert len(notes) == 5
    assert not guard.footprint.halved
    assert "90% in use, MEMORY_LIMIT_PERCENT is 80%" in notes[1].reason


def test_above_the_limit_by_its_own_use_a_run_goes_up_the_whole_ladder(
    make_guard: MakeGuard,
) -> None:
    guard, notes = make_guard(limits=LIMITS)
    guard.chunks = guard.windows = 2
    set_use(guard, 90, own=85)
    for episode in range(1, 6):
        guard.enter(Phase.CHECKPOINT, episode)
        guard.watch(lambda: None)
    assert [note.rung for note in notes if note.what == "rung"] == [1, 2, 3, 5, 6]
    assert guard.backend.name == "host"
    set_use(guard, 90, own=85)
    with pytest.raises(MemoryExhaustedError, match="host's memory"):
        guard.watch(lambda: None)


def test_freeing_the_cache_again_and_again_is_not_help(make_guard: MakeGuard) -> None:
    guard, notes = make_guard()
    for episode in range(1, FREES + 2):
        guard.enter(Phase.VALIDATION, episode)
        left = [MemoryError()]

        def work(left: list[MemoryError] = left) -> None:
            if left:
                raise left.pop()

        guard.attempt(work)
    assert [note.rung for note in notes] == [1] * FREES + [2]
    guard.enter(Phase.VALIDATION, 40)
    left = [MemoryError()]
    guard.attempt(lambda: work(left))
    assert notes[-1].rung == 1


def test_a_fault_while_preparing_goes_further_up(make_guard: MakeGuard) -> None:
    guard, notes = make_guard()
    guard.enter(Phase.START, 1)
    faults = [MemoryError(), MemoryError()]

    def fail() -> None:
        if faults:
            raise faults.pop()

    guard.attempt(fail, fail)
    assert [note.rung for note in notes] == [1, 2]
    assert guard.storage.type == "cpu"


def test_readings_stand_before_and_after(make_guard: MakeGuard) -> None:
    guard, notes = make_guard()
    set_use(guard, 99)
    faults = [MemoryError("no space\nand details")]

    def fail() -> None:
        if faults:
            raise faults.pop()

    guard.attempt(fail, lambda: set_use(guard, 40))
    (note,) = notes
    assert note.before == Reading(100, 1, 10)
    assert note.after == Reading(100, 60, 10)
    assert note.reason == "no space"
    assert guard.notes == [note.to_json()]


def test_what_a_checkpoint_keeps_is_taken_up(make_guard: MakeGuard) -> None:
    guard, _ = make_guard()
    guard.footprint = Footprint(accumulated=True)
    other, _ = make_guard()
    other.footprint = Footprint(host=True)
    other.take_up(guard.to_json())
    assert other.footprint == Footprint(host=True, accumulated=True)


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("on_gpu", [True, False])
def test_the_last_rung_is_always_there_and_the_fourth_never(phase: Phase, on_gpu: bool) -> None:
    for footprint in (Footprint(), Footprint(True, True, True, True)):
        situation = Situation(phase, on_gpu, footprint, chunks=4, windows=64, freed=None)
        assert situation.obstacle(Rung.STOP) is None
        assert situation.obstacle(Rung.SEEDS) == "one seed is trained at a time"
