"""Did a transfer help? The transferred run against its scratch twin, milestone by milestone.

Both arms share the seed, the stream of windows and the validation bars, so that their difference
is paired block by block. The words are those of Taylor & Stone 2009 (JMLR 10, §2.1).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from btc_ai.learning.evaluation.bootstrap import REPLICATES, Interval, block_sums
from btc_ai.learning.evidence import Array, standard_error
from btc_ai.learning.transfer.milestones import Milestone

RUNNING = 2
"""Milestones running, below scratch by a standard error, after which a transfer is taken back."""

Decision = Literal["kept", "rolled_back"]


@dataclass(frozen=True)
class Comparison:
    """Both arms at one milestone, in net bps a bar on the validation part.

    difference: mean over the blocks of transferred − scratch. low, high: its 95 % interval by the
    block bootstrap, None with fewer than two blocks.
    """

    share: float
    episode: int
    transferred: float
    scratch: float
    difference: float
    standard_error: float
    low: float | None
    high: float | None

    @property
    def below(self) -> bool:
        """Whether the transferred run is worse by more than a standard error."""
        return self.difference < -self.standard_error


@dataclass(frozen=True)
class Verdict:
    """What the comparison says; all of it follows from the milestones alone.

    decision: None until there is one. share: of the budget, where it fell. impact: the difference
    there, or at the newest milestone. jumpstart: the difference at the start. asymptote: at the
    end. time_to_threshold: episodes that each arm took to what scratch was worth in the end (or at
    the newest milestone), None where it did not get there. transfer_ratio: area under the learning
    curve that the transfer added, over that of scratch, None where that is not above 0.
    """

    decision: Decision | None
    share: float | None
    reason: str
    comparisons: tuple[Comparison, ...]
    impact: Comparison | None
    jumpstart: Comparison | None
    asymptote: Comparison | None
    time_to_threshold: dict[str, int | None]
    transfer_ratio: float | None

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return {**asdict(self), "comparisons": [asdict(each) for each in self.comparisons]}


def compare(
    transferred: Sequence[Milestone], scratch: Sequence[Milestone], *, seed: int = 0
) -> Verdict:
    """The verdict on what both arms have passed so far; more milestones never change a decision.

    A transfer is rolled back when it is below scratch by more than a standard error of the paired
    difference at two milestones running, or at the end, and kept otherwise. The start does not
    count, for no arm has learned anything there. With fewer than two blocks there is no standard
    error, and the difference decides alone. `seed` is that of the bootstrap.
    """
    found: list[Comparison] = []
    decision: Decision | None = None
    share: float | None = None
    running = 0
    for ours, theirs in zip(transferred, scratch, strict=False):
        each = _compare(ours, theirs, np.random.default_rng([seed, ours.episode]))
        found.append(each)
        running = running + 1 if each.below and each.share > 0 else 0
        if running == RUNNING or (running and each.share == 1):
            decision, share = "rolled_back", each.share
        elif each.share == 1:
            decision, share = "kept", each.share
        if decision:
            break
    return Verdict(
        decision=decision,
        share=share,
        reason=_reason(decision, found),
        comparisons=tuple(found),
        impact=found[-1] if found else None,
        jumpstart=found[0] if found and found[0].share == 0 else None,
        asymptote=found[-1] if found and found[-1].share == 1 else None,
        time_to_threshold=_times(found),
        transfer_ratio=_transfer_ratio(found),
    )


def _compare(ours: Milestone, theirs: Milestone, generator: np.random.Generator) -> Comparison:
    if ours.episode != theirs.episode or len(ours.blocks) != len(theirs.blocks):
        raise ValueError(f"milestones of two budgets or markets: {ours} and {theirs}")
    blocks = ours.blocks - theirs.blocks
    interval = difference_interval(blocks, generator)
    return Comparison(
        share=ours.share,
        episode=ours.episode,
        transferred=ours.value,
        scratch=theirs.value,
        difference=float(blocks.mean()) if len(blocks) else ours.value - theirs.value,
        standard_error=standard_error(blocks),
        low=interval.low if interval else None,
        high=interval.high if interval else None,
    )


def difference_interval(blocks: Array, generator: np.random.Generator) -> Interval | None:
    """95 % interval of the mean of paired block differences [blocks]; None for fewer than two."""
    count = len(blocks)
    if count < 2:
        return None
    means = block_sums(blocks[:, None], 1, REPLICATES, generator)[:, 0] / count
    return Interval.of(means, float(blocks.mean()), count)


def _reason(decision: Decision | None, found: list[Comparison]) -> str:
    if not found or decision is None:
        return "not decided yet"
    last = found[-1]
    end = last.share == 1
    where = "at the end" if end else f"at {last.share:.0%} of the budget"
    if decision == "kept":
        return f"{where} not below scratch by more than a standard error"
    twice = len(found) > 1 and found[-2].below and found[-2].share > 0
    again = "" if end and not twice else " and at the milestone before"
    return f"below scratch by more than a standard error {where}{again}"


def _times(found: list[Comparison]) -> dict[str, int | None]:
    if not found:
        return {"transferred": None, "scratch": None}
    threshold = found[-1].scratch
    ours = (each.episode for each in found if each.transferred >= threshold)
    theirs = (each.episode for each in found if each.scratch >= threshold)
    return {"transferred": next(ours, None), "scratch": next(theirs, None)}


def _transfer_ratio(found: list[Comparison]) -> float | None:
    episodes = [each.episode for each in found]
    scratch = float(np.trapezoid([each.scratch for each in found], episodes))
    added = float(np.trapezoid([each.transferred - each.scratch for each in found], episodes))
    return added / scratch if scratch > 0 else None
