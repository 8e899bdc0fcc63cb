"""What is wrong with candles, and what is merely worth knowing.

Errors make bars unusable; warnings do not. Repair drops what is provably wrong and invents
nothing: a hole stays a hole.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from btc_ai.errors import DataError
from btc_ai.market.candles import COLUMNS, Candles, iso
from btc_ai.market.volatility import volatility

EXAMPLES = 5
OUTLIER = 20.0
SPIKE = 10.0

Mask = NDArray[np.bool_]

MEANINGS = {
    "unsorted": "bars before their predecessor in time",
    "duplicate": "bars given twice, alike",
    "conflict": "bars given twice, and not alike",
    "off-grid": "bars that do not open at a multiple of the interval",
    "price": "prices that are not finite or not above 0",
    "volume": "volumes that are not finite or below 0",
    "ohlc": "bars whose high or low does not enclose open and close",
}
NOT_PROVABLE = frozenset({"conflict"})


@dataclass(frozen=True)
class Finding:
    """One kind of trouble: how many bars (or holes) have it, and when the first few open (UTC)."""

    kind: str
    severity: Literal["error", "warning"]
    count: int
    first: tuple[str, ...]
    meaning: str
    repairable: bool = False

    def __str__(self) -> str:
        """In one line."""
        more = ", …" if self.count > len(self.first) else ""
        return f"{self.kind} ×{self.count}: {self.meaning}: {', '.join(self.first)}{more}"


@dataclass(frozen=True)
class QualityReport:
    """All findings about one market's candles."""

    symbol: str
    interval: str
    synthetic: bool
    bars: int
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that make bars unusable."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def check_candles(candles: Candles) -> QualityReport:
    """All that is wrong or odd about the candles."""
    findings = [*find_errors(candles)]
    usable, _ = repair(candles)
    if len(usable) > 1:
        findings += [finding for finding in _warnings(usable) if finding.count]
    return QualityReport(
        candles.symbol, candles.interval, candles.synthetic, len(candles), tuple(findings)
    )


def find_errors(candles: Candles) -> list[Finding]:
    """The errors alone."""
    ordered = candles.take(np.argsort(candles.time, kind="stable"))
    masks = {"unsorted": np.diff(candles.time, prepend=candles.time[:1]) < 0, **_wrong(ordered)}
    return [
        Finding(
            kind,
            "error",
            int(mask.sum()),
            _times((candles if kind == "unsorted" else ordered).time[mask]),
            MEANINGS[kind],
            repairable=kind not in NOT_PROVABLE,
        )
        for kind, mask in masks.items()
        if mask.any()
    ]


def require_sound(candles: Candles, where: str) -> Candles:
    """The candles themselves; raises DataError where there are none or `find_errors` finds any."""
    if len(candles) == 0:
        raise DataError(f"{where} holds no candles: import or download some (`btc-ai data --help`)")
    if errors := find_errors(candles):
        found = "; ".join(str(error) for error in errors)
        raise DataError(
            f"{where} cannot be used: {found}. Look with `btc-ai data check`; "
            "`btc-ai data check --repair` drops what is provably wrong"
        )
    return candles


def repair(candles: Candles) -> tuple[Candles, dict[str, int]]:
    """Sorted candles without the bars that are provably wrong, and how many fell for each reason.

    Of two different bars at one time neither is provably wrong: both stay.
    """
    ordered = candles.take(np.argsort(candles.time, kind="stable"))
    keep = np.ones(len(ordered), dtype=np.bool_)
    dropped: dict[str, int] = {}
    for kind, mask in _wrong(ordered).items():
        if kind not in NOT_PROVABLE and (mask & keep).any():
            dropped[kind] = int((mask & keep).sum())
            keep &= ~mask
    return ordered.take(keep), dropped


def _wrong(ordered: Candles) -> Mapping[str, Mask]:
    """Bars with each error, of candles in order of time; of equal bars all but the first."""
    again = np.diff(ordered.time, prepend=-1) == 0
    alike = again.copy()
    for name in COLUMNS:
        values = getattr(ordered, name)
        alike[1:] &= (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
    prices = np.stack([ordered.open, ordered.high, ordered.low, ordered.close])
    price = ~(np.isfinite(prices) & (prices > 0)).all(axis=0)
    enclosed = (prices[[0, 2, 3]] <= prices[1]).all(axis=0) & (prices[2] <= prices[[0, 3]]).all(
        axis=0
    )
    return {
        "duplicate": again & alike,
        "conflict": again & ~alike,
        "off-grid": ordered.off_grid,
        "price": price,
        "volume": ~(np.isfinite(ordered.volume) & (ordered.volume >= 0)),
        "ohlc": ~enclosed & ~price,
    }


def _warnings(candles: Candles) -> list[Finding]:
    """Oddities of candles in order of time with sound prices."""
    gaps = np.diff(candles.time)
    holes = np.flatnonzero(gaps > candles.step)
    missing = int((gaps[holes] // candles.step - 1).sum())
    outlier, spike = _jumps(candles)
    zero = candles.volume == 0
    found = {
        "hole": (len(holes), candles.time[holes + 1], f"{missing} bars missing, next bar"),
        "zero-volume": (int(zero.sum()), candles.time[zero], "bars without trades"),
        "outlier": (
            int(outlier.sum()),
            candles.time[outlier],
            f"log-returns beyond {OUTLIER:.0f} σ",
        ),
        "spike": (
            int(spike.sum()),
            candles.time[spike],
            f"closes beyond {SPIKE:.0f} σ that the next bar takes back",
        ),
    }
    return [
        Finding(kind, "warning", count, _times(times), meaning)
        for kind, (count, times, meaning) in found.items()
    ]


def _jumps(candles: Candles) -> tuple[Mask, Mask]:
    """Outliers, and spikes that revert.

    σ is the larger of the bar before's volatility and the whole market's robust one (1.4826 MAD),
    so that neither a wild day nor a quiet hour makes every bar an outlier.
    """
    log_close = np.log(candles.close)
    adjacent = np.diff(candles.segment_ids, prepend=-1) == 0
    returns = np.where(adjacent, np.diff(log_close, prepend=log_close[:1]), 0.0)
    robust = 1.4826 * float(np.median(np.abs(returns - np.median(returns))))
    sigma = np.maximum(np.roll(volatility(candles), 1), robust)
    following = np.where(np.roll(adjacent, -1), np.roll(returns, -1), 0.0)
    following[-1] = 0.0
    spike = (np.abs(returns) > SPIKE * sigma) & (
        np.abs(returns + following) < 0.2 * np.abs(returns)
    )
    return np.abs(returns) > OUTLIER * sigma, spike


def _times(times: NDArray[np.int64]) -> tuple[str, ...]:
    return tuple(iso(time) for time in times[:EXAMPLES])
