"""Scrambled future: other bars after t change nothing that decides the actions up to t.

t lies behind the training part, so that everything fitted there, scaler, reward scale and
targets, must stay the same to the last bit, and with it features and actions up to t.
"""

from collections.abc import Iterator

import numpy as np

from btc_ai.learning.audit.probe import trading_network
from btc_ai.learning.audit.report import Check, Finding
from btc_ai.learning.audit.subject import Subject, different
from btc_ai.learning.dataset import Dataset
from btc_ai.learning.horizons import horizon_targets
from btc_ai.learning.network import QNetwork
from btc_ai.market.candles import Candles

NAME = "scrambled future"
READS_AHEAD = "Whatever is computed for a bar may use that bar and earlier ones alone"


def scrambled_future(subject: Subject) -> Check:
    """Scramble the bars behind a few seeded t; stop at the first difference, its cause."""
    first, bars = subject.dataset.splits.validation.start, len(subject.candles)
    drawn = subject.generator(3).integers(first, bars - 1, subject.effort.scrambles)
    network = trading_network(subject)
    looked_at = (
        f"scaler, targets, features and greedy actions, with all bars behind bar "
        f"{', '.join(f'{bar:,}' for bar in drawn)} of {bars:,} scrambled"
    )
    for bar in drawn.tolist():
        subject.stop_if_asked()
        other = subject.on(scrambled(subject.candles, bar, subject.generator(4, bar)))
        finding = next(_differences(subject, other, network, bar), None)
        if finding is not None:
            return Check(NAME, looked_at, (finding,))
    return Check(NAME, looked_at)


def scrambled(candles: Candles, bar: int, generator: np.random.Generator) -> Candles:
    """The same times, and other sound bars after `bar`: shuffled, moved and stretched."""
    later = len(candles) - bar - 1
    order = np.concatenate([np.arange(bar + 1), bar + 1 + generator.permutation(later)])
    move = np.concatenate([np.zeros(bar + 1), np.cumsum(0.01 * generator.standard_normal(later))])
    level = np.concatenate([np.zeros(bar + 1), generator.standard_normal(later)])
    prices = [getattr(candles, name)[order] * np.exp(move) for name in ("open", "high", "low")]
    values = [*prices, candles.close[order] * np.exp(move), candles.volume[order] * np.exp(level)]
    return Candles.of(
        candles.symbol, candles.interval, candles.time, values,
        source=candles.source, synthetic=candles.synthetic,
    )  # fmt: skip


def _differences(
    subject: Subject, other: Subject, network: QNetwork, bar: int
) -> Iterator[Finding]:
    """Causes before what follows from them."""
    ours, theirs = subject.dataset, other.dataset
    if columns := _refitted(ours, theirs):
        yield subject.finding(
            f"scaler of {', '.join(columns)}",
            "its median or σ changes with bars that lie behind the training part: it is fitted on "
            "all of the data, or the feature itself reads ahead",
            "Fit the scaler on the training part alone",
            bar,
        )
    if ours.reward_scale != theirs.reward_scale:
        advice = "Measure σ on the training part alone"
        detail = "it changes with bars behind the training part"
        yield subject.finding("reward scale", detail, advice, bar)
    yield from _arrays(subject, other, bar)
    yield from _targets(subject, other, bar)
    part = slice(ours.splits.validation.start, len(ours))
    positions = [
        one.environment.rollout(network, part).positions[:, : bar - part.start + 1]
        for one in (subject, other)
    ]
    changed = np.argwhere(positions[0] != positions[1])
    if len(changed):
        at = part.start + int(changed[:, 1].min())
        detail = "the position taken changes with bars that follow, at equal features"
        yield subject.finding("greedy actions", detail, READS_AHEAD, at)


def _refitted(ours: Dataset, theirs: Dataset) -> list[str]:
    a, b = ours.scaler, theirs.scaler
    changed = (a.median != b.median) | (a.sigma != b.sigma)
    return [name for name, one in zip(ours.columns, changed.tolist(), strict=True) if one]


def _arrays(subject: Subject, other: Subject, bar: int) -> Iterator[Finding]:
    ours, theirs, known = subject.dataset, other.dataset, slice(0, bar + 1)
    changed = different(ours.features[known].numpy(), theirs.features[known].numpy())
    for column in np.flatnonzero(changed.any(axis=0)).tolist():
        at = int(np.flatnonzero(changed[:, column])[0])
        detail = f"its value changes with bars behind bar {bar:,}"
        yield subject.finding(f"feature column {ours.columns[column]}", detail, READS_AHEAD, at)
    for name in ("log_open", "volatility", "segment_ids", "valid"):
        rows = np.flatnonzero(different(getattr(ours, name)[known], getattr(theirs, name)[known]))
        if len(rows):
            detail = f"it changes with bars behind bar {bar:,}"
            yield subject.finding(f"dataset's {name}", detail, READS_AHEAD, int(rows[0]))


def _targets(subject: Subject, other: Subject, bar: int) -> Iterator[Finding]:
    train, settings = subject.dataset.splits.train, subject.settings
    both = (subject, other)
    rewards = [one.environment.held_returns(settings.discount)[train] for one in both]
    outcomes = [horizon_targets(one.dataset, settings.horizons)[train] for one in both]
    rows = {
        "reward targets": np.argwhere(different(rewards[0], rewards[1])),
        "horizon targets": np.argwhere(different(outcomes[0], outcomes[1])),
    }
    for name, changed in rows.items():
        if len(changed):
            detail = f"of the training part: they change with bars behind bar {bar:,}"
            advice = "Purge MAX_HORIZON + 1 bars between the parts"
            yield subject.finding(name, detail, advice, int(changed[0][0]))
