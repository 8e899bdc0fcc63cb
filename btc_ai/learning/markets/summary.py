"""What several seeds show together: the mean share of the optimum, and how sure that is."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from btc_ai.learning.evidence import t_quantile
from btc_ai.learning.markets.market import KnownMarket
from btc_ai.learning.markets.proof import Proof
from btc_ai.learning.markets.registry import LAG_TEST

LAG_RATIO = (0.93, 1.07)


@dataclass(frozen=True)
class Summary:
    """One bucket on one known market. Values are bps a bar, net of cost, means over the seeds.

    low, high: 95 % interval of `achieved_bps`, by Student's t over the seeds. share: of what the
    best policy earned on the same paths, None where there is nothing to be earned; `least` is the
    lowest of a seed, `asked` what is asked of each. shortfalls: what was not reached, in words.
    """

    market: str
    title: str
    bucket: str
    interval: int
    seeds: int
    achieved_bps: float
    low: float
    high: float
    optimal_bps: float
    share: float | None
    least: float | None
    asked: float
    turnover: float
    cpu_seconds: float
    shortfalls: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every seed reached the bar."""
        return not self.shortfalls

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary, with `passed`."""
        return {
            **dataclasses.asdict(self), "shortfalls": list(self.shortfalls), "passed": self.passed,
        }  # fmt: skip


def summarise(market: KnownMarket, proofs: Sequence[Proof]) -> Summary:
    """Sum up two or more seeds of one bucket."""
    achieved = [proof.achieved_bps for proof in proofs]
    shares = [proof.share for proof in proofs if proof.share is not None]
    middle, spread = fmean(achieved), stdev(achieved) / math.sqrt(len(achieved))
    reach = t_quantile(len(achieved) - 1) * spread
    return Summary(
        market=market.name,
        title=market.title,
        bucket=proofs[0].bucket,
        interval=proofs[0].interval,
        seeds=len(proofs),
        achieved_bps=middle,
        low=middle - reach,
        high=middle + reach,
        optimal_bps=proofs[0].optimal_bps,
        share=fmean(shares) if shares else None,
        least=min(shares) if shares else None,
        asked=proofs[0].least_share,
        turnover=fmean(proof.turnover for proof in proofs),
        cpu_seconds=fmean(proof.cpu_seconds for proof in proofs),
        shortfalls=_lag(proofs) if market.name == LAG_TEST else _by_seed(proofs),
    )


def _by_seed(proofs: Sequence[Proof]) -> tuple[str, ...]:
    return tuple(f"seed {proof.seed}: {words}" for proof in proofs for words in proof.shortfalls)


def _lag(proofs: Sequence[Proof]) -> tuple[str, ...]:
    """Orders filled a bar late earn a tenth less than the conditional means say, leaks far more."""
    ratio = fmean(proof.realised_bps for proof in proofs) / fmean(p.achieved_bps for p in proofs)
    low, high = LAG_RATIO
    words = f"orders realised {ratio:.1%} of what exact timing says, not {low:.0%} … {high:.0%}"
    return () if low <= ratio <= high else (words,)
