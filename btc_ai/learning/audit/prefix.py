"""Prefix invariance: a feature on bars 0..t gives what it gives at t on the whole series.

Bit for bit, for every feature that the settings name, on every hole-free run, at many seeded cut
points: most of them early in the run, where they are cheap, some far behind. What differs shows
how far ahead a feature reads, and so what it is likely to be.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from btc_ai.learning.audit.report import Check, Finding
from btc_ai.learning.audit.subject import Subject, different, own_copy
from btc_ai.market.features import build_features
from btc_ai.market.features.registry import RegisteredFeature

NAME = "prefix invariance"
ROUNDING = 1e-9
USUAL = 0.75
ONLY_LATER_BARS = (
    "The value at a bar may use that bar and earlier ones alone: shift what comes later until it "
    "is known, or leave the feature out of FEATURES"
)


@dataclass(frozen=True)
class Difference:
    """One column of one prefix: [start, end) are its usable bars, `first` the first that differs.

    relative: the largest difference, as a share of the larger value.
    """

    start: int
    end: int
    first: int
    relative: float


def prefix_invariance(subject: Subject) -> Check:
    """Every feature by itself, then what the dataset derives from the candles."""
    findings: list[Finding] = []
    cuts = 0
    for index, feature in enumerate(subject.features):
        found, count = _feature(subject, feature, subject.generator(1, index))
        findings += found
        cuts += count
    if not findings:
        findings = _derived(subject)
    looked_at = (
        f"{', '.join(one.name for one in subject.features)} and the volatility, at {cuts:,} cut "
        f"points in {len(subject.candles.segments)} hole-free runs"
    )
    return Check(NAME, looked_at, tuple(findings))


def _feature(
    subject: Subject, feature: RegisteredFeature, generator: np.random.Generator
) -> tuple[list[Finding], int]:
    """Findings, and the number of prefixes that were compared."""
    candles, lookback = subject.candles, feature.lookback
    differences: dict[str, list[Difference]] = defaultdict(list)
    compared = 0
    for run in candles.segments:
        length = run.stop - run.start
        if length < lookback + 2:
            continue
        bars = own_copy(candles.take(run))
        before = bars.sha256
        whole = feature.columns(bars)
        if own_copy(bars).sha256 != before:
            return [_writes(feature)], compared
        cuts = cut_points(length, lookback, subject.effort.cuts * length // len(candles), generator)
        for cut in cuts:
            subject.stop_if_asked()
            part = feature.columns(bars.take(slice(0, cut)))
            compared += 1
            for name in whole.keys() | part.keys():
                if name not in whole or name not in part:
                    return [_other_columns(feature, list(part), cut)], compared
                one = _compare(part[name], whole[name], lookback, run.start)
                if one is not None:
                    differences[name].append(one)
    return [
        _describe(subject, feature, name, seen, compared) for name, seen in differences.items()
    ], compared


def cut_points(
    length: int, lookback: int, count: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """At least two lengths of a prefix, in lookback + 1 … length − 1, even on a log scale."""
    room = length - 1 - lookback
    drawn = np.ceil(room ** generator.random(max(2, count))).astype(np.int64)
    return lookback + np.unique(np.clip(drawn, 1, room))


def _compare(
    part: NDArray[np.float64], whole: NDArray[np.float64], lookback: int, offset: int
) -> Difference | None:
    ours, full = part[lookback:], whole[lookback : len(part)]
    rows = np.flatnonzero(different(ours, full))
    if not len(rows):
        return None
    a, b = ours[rows], full[rows]
    with np.errstate(all="ignore"):
        relative = np.abs(a - b) / np.maximum(np.abs(a), np.abs(b))
    start = offset + lookback
    worst = float(np.nan_to_num(relative, nan=1.0).max())
    return Difference(start, offset + len(part), start + int(rows[0]), worst)


def _describe(
    subject: Subject, feature: RegisteredFeature, name: str, seen: list[Difference], compared: int
) -> Finding:
    part = f"feature {feature.name!r}, column {name!r}"
    first = min(seen, key=lambda one: one.first)
    if _erratic(subject, feature, name, first):
        return subject.finding(
            part,
            "it gives other values when called again on the same candles",
            "Use a generator with a fixed seed, and keep nothing from one call to the next",
            first.first,
        )
    if max(one.relative for one in seen) < ROUNDING:
        return subject.finding(
            part,
            "its last digits change with the bars that follow, as those of an FFT, of a sum in "
            "blocks or of a value counted from the end do",
            "Compute it forwards from the start of the run, so that the length does not matter",
            first.first,
        )
    return subject.finding(part, _reach(seen, compared), ONLY_LATER_BARS, first.first)


def _reach(seen: Sequence[Difference], compared: int) -> str:
    """How far ahead it reads, and what that looks like."""
    ahead = [one.end - one.first for one in seen if one.first > one.start]
    if not ahead:
        return (
            "its value changes at every bar with the bars that follow: it is computed from the "
            "whole series, as a mean, a fit or a scale over all bars is"
        )
    furthest = max(ahead)
    if ahead.count(furthest) > USUAL * len(ahead) and len(seen) > USUAL * compared:
        return (
            f"its value changes with the bars that follow: it reads {furthest} "
            f"{'bar' if furthest == 1 else 'bars'} ahead, as a later close (the chikou span) does"
        )
    return (
        f"its value changes with the bars that follow: it reads up to {furthest} bars ahead, how "
        "far depends on the bar, as with a coarser bar that is indexed by its start, or a high or "
        "low that is confirmed later"
    )


def _erratic(subject: Subject, feature: RegisteredFeature, name: str, one: Difference) -> bool:
    run = slice(one.start - feature.lookback, one.end)
    first, again = (feature.columns(subject.candles.take(run)).get(name) for _ in range(2))
    if first is None or again is None:
        return True
    return bool(different(first[feature.lookback :], again[feature.lookback :]).any())


def _writes(feature: RegisteredFeature) -> Finding:
    return Finding(
        f"feature {feature.name!r}",
        "it writes into the candles that it is given, which changes what others see",
        "Work on a copy",
    )


def _other_columns(feature: RegisteredFeature, columns: Sequence[str], cut: int) -> Finding:
    return Finding(
        f"feature {feature.name!r}",
        f"on the first {cut:,} bars of a run it gives other columns than on all of it: "
        f"{', '.join(columns)}",
        "Give the same columns whatever the candles",
    )


def _derived(subject: Subject) -> list[Finding]:
    """Matrix, volatility and runs of a prefix that ends behind the training part."""
    candles, settings = subject.candles, subject.settings
    whole = build_features(candles, settings.features, subject.registry)
    sigma = subject.pipeline.volatility(candles)
    first = subject.dataset.splits.train.stop
    for cut in subject.generator(2).integers(first, len(candles), subject.effort.scrambles):
        subject.stop_if_asked()
        prefix = candles.take(slice(0, int(cut)))
        part = build_features(prefix, settings.features, subject.registry)
        pairs = {
            "feature matrix": (part.values, whole.values),
            "bars with features": (part.valid, whole.valid),
            "volatility": (subject.pipeline.volatility(prefix), sigma),
            "hole-free runs": (prefix.segment_ids, candles.segment_ids),
        }
        for name, (ours, full) in pairs.items():
            rows = np.argwhere(different(ours, full[: len(ours)]))
            if len(rows):
                return [
                    subject.finding(
                        name, "it changes with the bars that follow", ONLY_LATER_BARS,
                        int(rows[0][0]),
                    )
                ]  # fmt: skip
    return []
