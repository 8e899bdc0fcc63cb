"""The bars of knowledge transfer, on G8: does it help where it must, and is it taken back?

    python -m benchmarks.transfer [--seeds 10] [--flipped-seeds 20] [--bars 60000] [--learner cfq]

Each seed trains a source (decisions on every bar) and, on other candles of the same market, the
target (every 6 bars) from scratch, with all three kinds, and with a placebo of the same source.
With 8,000 bars alone the target is decided on every bar too, as the source is.
End values are the learned policy's by the true conditional means, on a fresh path, in net bps a
bar; with scarce data models are kept from abstaining, so that what they learned shows. Intervals
are 95 % by Student's t over the paired seeds. Each bar is printed with its row.
"""

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from btc_ai.api.transfer import KINDS
from btc_ai.learning import trainer
from btc_ai.learning.dataset import Dataset
from btc_ai.learning.evidence import EVIDENCE, t_quantile
from btc_ai.learning.markets.datasets import features_of, settings_for
from btc_ai.learning.markets.proof import score
from btc_ai.learning.markets.transfer import SCARCE_BARS, TransferMarket
from btc_ai.learning.memory.host import PeakMemory
from btc_ai.learning.model import load_model
from btc_ai.learning.model_card import CARD, read_card
from btc_ai.learning.runtime import reproducible
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.start import InitialModel, make_start
from btc_ai.learning.transfer.milestones import Milestone, read_milestones
from btc_ai.learning.transfer.verdict import compare

SCORED_BARS = 100_000
LEAST_SHARE = 0.95
BY = 0.25
END_LOSS = 0.01
STEP_SECONDS, STEP_MB = 1.0, 200.0


@dataclass(frozen=True)
class Run:
    """One arm of one seed."""

    milestones: list[Milestone]
    achieved: float
    abstains: bool


@dataclass
class Table:
    """Rows of what was found and whether it reached its bar."""

    missed: int = 0

    def row(self, name: str, found: str, bar: str = "", *, reached: bool = True) -> None:
        """Print one."""
        self.missed += not reached
        words = f"   bar: {bar}: {'reached' if reached else 'MISSED'}" if bar else ""
        print(f"{name:44} {found}{words}", flush=True)


@dataclass
class Bench:
    """Trains what is asked for, each source once."""

    bars: int
    learner: str
    directory: Path
    runs: dict[tuple[Any, ...], Run] = field(default_factory=dict)

    def settings(self, bucket: str, least: int, most: int, episodes: int) -> TrainingSettings:
        """Of one bucket; features and cost are the market's."""
        return TrainingSettings(
            bucket, least, most, (), learning_rate=1e-3, episodes=episodes, learner=self.learner
        )

    def target(self, interval: int = 6) -> TrainingSettings:
        """The bucket that knowledge goes to: decisions every `interval` bars."""
        return self.settings("Short", interval, 144, episodes=20)

    def source(self, seed: int, *, flipped: bool) -> Path:
        """The source's model."""
        directory = self.directory / f"source-{seed}-{flipped}"
        if not (directory / CARD).exists():
            settings = self.settings("Scalping", 1, 72, episodes=30)
            TransferMarket(flipped).train_source(settings, directory, seed=seed, bars=self.bars)
        return directory

    def run(
        self,
        seed: int,
        initial: InitialModel | None = None,
        *,
        bars: int | None = None,
        interval: int = 6,
        may_abstain: bool = True,
    ) -> Run:
        """The target's, from scratch without `initial`; trained once."""
        bars, settings = bars or self.bars, self.target(interval)
        key = (seed, initial, bars, interval, may_abstain)
        if key not in self.runs:
            market, directory = TransferMarket(), self.directory / str(len(self.runs))
            evidence = EVIDENCE if may_abstain else -math.inf
            with patch.object(trainer, "EVIDENCE", evidence):
                market.train_target(settings, directory, initial, seed=seed, bars=bars)
            own = settings_for(market.target, settings, seed)
            proof = score(market.target, own, load_model(directory), SCORED_BARS, 0.0)
            milestones = read_milestones(directory)
            self.runs[key] = Run(milestones, proof.achieved_bps, proof.abstains)
        return self.runs[key]


def paired(differences: Sequence[float]) -> tuple[float, float, float]:
    """Mean and 95 % interval."""
    middle = statistics.fmean(differences)
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    reach = t_quantile(len(differences) - 1) * error
    return middle, middle - reach, middle + reach


def words(differences: Sequence[float]) -> str:
    """The same in words."""
    middle, low, high = paired(differences)
    return f"{middle:+.3f} [{low:+.3f}, {high:+.3f}]"


def plentiful(bench: Bench, table: Table, seeds: int) -> None:
    """Plenty of data: a jumpstart, and an end that is no worse."""
    scratch = [bench.run(seed) for seed in range(seeds)]
    moved = [bench.run(seed, shared(bench, seed)) for seed in range(seeds)]
    jump = [
        ours.milestones[0].value - theirs.milestones[0].value
        for ours, theirs in both(moved, scratch)
    ]
    ends = [ours.achieved - theirs.achieved for ours, theirs in both(moved, scratch)]
    low = paired(jump)[1]
    table.row("jumpstart, validation", words(jump), "above 0", reached=low > 0)
    reference = statistics.fmean(run.achieved for run in scratch)
    lost = -paired(ends)[0] / reference
    table.row(
        f"end, over scratch's {reference:.3f}", words(ends), f"not below −{END_LOSS:.0%}",
        reached=lost <= END_LOSS,
    )  # fmt: skip
    for kind in KINDS:
        alone = [bench.run(seed, shared(bench, seed, kinds=(kind,))) for seed in range(seeds)]
        report(table, f"  {kind} alone", alone, scratch)
    dummy = [bench.run(seed, shared(bench, seed, placebo=seed)) for seed in range(seeds)]
    report(table, "  placebo of all three", dummy, scratch)


def both(ours: Sequence[Run], theirs: Sequence[Run]) -> list[tuple[Run, Run]]:
    """Pairs of the same seed."""
    return list(zip(ours, theirs, strict=True))


def report(table: Table, name: str, runs: Sequence[Run], scratch: Sequence[Run]) -> None:
    """A tenth of the budget and the end, without a bar."""
    early = [a.milestones[2].value - b.milestones[2].value for a, b in both(runs, scratch)]
    ends = [a.achieved - b.achieved for a, b in both(runs, scratch)]
    table.row(name, f"at 10 %: {words(early)}, end: {words(ends)}")


def shared(bench: Bench, seed: int, **options: Any) -> InitialModel:
    """The shared source's knowledge of one seed, all three kinds unless told otherwise."""
    return InitialModel(bench.source(seed, flipped=False), **{"kinds": KINDS, **options})


def scarce(bench: Bench, table: Table, seeds: int) -> None:
    """Little data: above scratch at the end, decided on every bar and on every sixth."""
    for interval in (1, 6):
        where: dict[str, Any] = {"bars": SCARCE_BARS, "interval": interval}
        options = {**where, "may_abstain": False}
        scratch = [bench.run(seed, **options) for seed in range(seeds)]
        moved = [bench.run(seed, shared(bench, seed), **options) for seed in range(seeds)]
        dummy = [
            bench.run(seed, shared(bench, seed, placebo=seed), **options) for seed in range(seeds)
        ]  # fmt: skip
        ends = [a.achieved - b.achieved for a, b in both(moved, scratch)]
        reference = statistics.fmean(run.achieved for run in scratch)
        table.row(
            f"end, {SCARCE_BARS:,} bars, d = {interval}, over {reference:.3f}", words(ends),
            "above 0", reached=paired(ends)[1] > 0,
        )  # fmt: skip
        report(table, "  placebo of all three", dummy, scratch)
        scratch = [bench.run(seed, **where) for seed in range(seeds)]
        moved = [bench.run(seed, shared(bench, seed), **where) for seed in range(seeds)]
        ends = [a.achieved - b.achieved for a, b in both(moved, scratch)]
        flat = [sum(run.abstains for run in runs) for runs in (moved, scratch)]
        table.row(
            "  where models may abstain, as they do",
            f"{words(ends)}; abstain: {flat[0]} with transfer, {flat[1]} from scratch",
        )


def flipped(bench: Bench, table: Table, seeds: int) -> None:
    """A source that is wrong: taken back by a quarter of the budget."""
    taken_back = 0
    for seed in range(seeds):
        scratch = bench.run(seed)
        wrong = bench.run(seed, InitialModel(bench.source(seed, flipped=True), kinds=KINDS))
        verdict = compare(wrong.milestones, scratch.milestones)
        in_time = verdict.share is not None and verdict.share <= BY
        taken_back += verdict.decision == "rolled_back" and in_time
    share = taken_back / seeds
    table.row(
        f"sign-flipped source, rolled back by {BY:.0%}", f"{taken_back} of {seeds}",
        f"at least {LEAST_SHARE:.0%}", reached=share >= LEAST_SHARE,
    )  # fmt: skip


def importance(bench: Bench, table: Table, seeds: int) -> None:
    """The planted feature comes first, and noise is told as noise."""
    cards = [read_card(bench.source(seed, flipped=True)) for seed in range(seeds)]
    found = [card["importance"] for card in cards]
    first = sum(max(one, key=lambda name: one[name]["drop"]) == "signal" for one in found)
    table.row(
        "planted feature first", f"{first} of {seeds}", f"at least {LEAST_SHARE:.0%}",
        reached=first >= LEAST_SHARE * seeds,
    )  # fmt: skip
    for name in ("noise", "bar"):
        inside = sum(one[name]["low"] <= 0 <= one[name]["high"] for one in found)
        table.row(
            f"interval of {name} contains 0", f"{inside} of {seeds}",
            f"at least {LEAST_SHARE:.0%}", reached=inside >= LEAST_SHARE * seeds,
        )  # fmt: skip


def step(bench: Bench, table: Table) -> None:
    """The transfer itself: source read, all three kinds applied, teacher and gates made."""
    initial = shared(bench, 0)
    own = settings_for(TransferMarket().target, bench.target(), 0)
    market = TransferMarket().target
    dataset = Dataset.from_candles(market.candles(bench.bars, 0), features_of(market), own)
    make_start(own, dataset, None)
    peak, seconds = PeakMemory(), []
    peak.reset()
    before = peak.read_mb()
    for _ in range(5):
        began = time.process_time()
        make_start(own, dataset, initial)
        seconds.append(time.process_time() - began)
    table.row(
        "transfer step", f"{max(seconds):.3f} CPU-s", f"below {STEP_SECONDS:g} s",
        reached=max(seconds) < STEP_SECONDS,
    )  # fmt: skip
    after = peak.read_mb()
    if before is not None and after is not None:
        table.row(
            "transfer step, memory at its peak", f"+{after - before:.1f} MB",
            f"below {STEP_MB:g} MB", reached=after - before < STEP_MB,
        )  # fmt: skip


PARTS: dict[str, Callable[[Bench, Table, argparse.Namespace], None]] = {
    "step": lambda bench, table, options: step(bench, table),
    "plentiful": lambda bench, table, options: plentiful(bench, table, options.seeds),
    "scarce": lambda bench, table, options: scarce(bench, table, options.seeds),
    "flipped": lambda bench, table, options: flipped(bench, table, options.flipped_seeds),
    "importance": lambda bench, table, options: importance(bench, table, options.flipped_seeds),
}


def main() -> int:
    """Print every row; exit status 1 where a bar was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=[*PARTS])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--flipped-seeds", type=int, default=20)
    parser.add_argument("--bars", type=int, default=60_000)
    parser.add_argument("--learner", default="cfq")
    options = parser.parse_args()
    table, began = Table(), time.process_time()
    with tempfile.TemporaryDirectory() as directory, reproducible(threads=1):
        bench = Bench(options.bars, options.learner, Path(directory))
        for part in options.parts:
            PARTS[part](bench, table, options)
    print(f"{time.process_time() - began:.0f} CPU-s; {table.missed} bars missed")
    return int(table.missed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
