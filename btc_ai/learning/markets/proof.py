"""The whole pipeline on a known market: candles in, a trained model out, held to the optimum.

Nothing here is a short cut: the bucket is trained by `train_bucket`, its model is loaded from its
files, and it trades a fresh path of the market through `MarketEnvironment`, in all phases of its
decisions. What it achieved is counted with the true conditional means instead of the returns,
which takes the noise out; what its orders really earned is counted beside, and tells whether they
were filled when they should have been.
"""

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btc_ai.learning.bucket import train_bucket
from btc_ai.learning.environment import MarketEnvironment, Rollout
from btc_ai.learning.evaluation import accounting
from btc_ai.learning.evidence import EVIDENCE, block_means, standard_error, t_value
from btc_ai.learning.markets.datasets import features_of, seen_by, settings_for
from btc_ai.learning.markets.market import KnownMarket
from btc_ai.learning.markets.registry import LAG_TEST
from btc_ai.learning.metrics import EpisodeMetrics
from btc_ai.learning.model import Model, load_model
from btc_ai.learning.runtime import reproducible
from btc_ai.learning.settings import TrainingSettings

BARS = 200_000
SCORED_BARS = 500_000
FRESH = 1_000_000
"""Added to the seed for the path that is scored."""

SHARE, SHARE_OF_INTERVALS = 0.95, 0.93
FULL_BUDGET, SHARE_BELOW = 500_000, 0.75
"""Decisions of training from which on these shares are asked for, and what is asked for below."""
SURELY_SEEN = EVIDENCE + 1.645
"""The t-value from which on a good policy shows enough evidence to trade in 95 % of samples."""

LEAST_NET_BPS, MOST_TURNOVER = -0.02, 0.005
LAG_BOUNDS_BPS = (0.93, 1.05)


@dataclass(frozen=True)
class Proof:
    """How a bucket did on a known market. Values are bps a bar, net of cost.

    achieved: of the learned policy by the conditional means; best: of the optimal policy on the
    same path; optimal: its exact value. share: achieved / best, None where there is nothing to be
    earned. realised: of the learned policy by the returns themselves. turnover: |Δposition| a bar.
    cpu_seconds: of training, features and checkpoints included. decisions: trained on.
    attainable_t: the t-value against staying flat that the best policy would show on as many bars
    as the validation part has; None where there is nothing to be earned. luck_bps: standard error
    of realised − achieved, which with exact timing is luck alone.
    """

    market: str
    bucket: str
    seed: int
    interval: int
    achieved_bps: float
    best_bps: float
    optimal_bps: float
    share: float | None
    realised_bps: float
    turnover: float
    abstains: bool
    cpu_seconds: float
    decisions: int = FULL_BUDGET
    attainable_t: float | None = None
    luck_bps: float = 0.0

    @property
    def may_abstain(self) -> bool:
        """Whether it abstains where even the best policy might not be told from luck."""
        return self.abstains and self.attainable_t is not None and self.attainable_t < SURELY_SEEN

    @property
    def least_share(self) -> float:
        """Share of the optimum that is asked for."""
        if self.decisions < FULL_BUDGET:
            return SHARE_BELOW
        return SHARE if self.interval == 1 else SHARE_OF_INTERVALS

    @property
    def shortfalls(self) -> list[str]:
        """What this market's bar asks for and did not get, in words; empty when it is reached."""
        if self.market == LAG_TEST and self.interval == 1:
            low, high = LAG_BOUNDS_BPS
            inside = low <= self.realised_bps <= high
            words = f"realised {self.realised_bps:+.3f} bps a bar is not within {low} … {high}"
            return [] if inside else [words]
        if self.may_abstain:
            return []
        if self.share is not None:
            least = self.least_share
            words = f"{self.share:.1%} of the optimum, not {least:.0%}"
            return [] if self.share >= least else [words]
        found = []
        if self.achieved_bps < LEAST_NET_BPS:
            found.append(f"loses {-self.achieved_bps:.3f} bps a bar, more than {-LEAST_NET_BPS}")
        if self.turnover >= MOST_TURNOVER:
            found.append(f"turnover {self.turnover:.4f} a bar is not below {MOST_TURNOVER}")
        return found

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary, with `shortfalls`."""
        return {**dataclasses.asdict(self), "shortfalls": self.shortfalls}


def prove(
    market: KnownMarket,
    settings: TrainingSettings,
    directory: Path,
    *,
    seed: int,
    bars: int = BARS,
    scored_bars: int = SCORED_BARS,
    on_episode: Callable[[EpisodeMetrics], None] = lambda metrics: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Proof:
    """Train the bucket of `settings` on `bars` candles of the market and score its model.

    The market gives features and cost, `seed` the candles and the weights; all else is as in
    `settings`. `directory` is `train_bucket`'s, as are the errors, and called again on it the
    proof goes on where it was stopped.
    """
    own = settings_for(market, settings, seed)
    candles = market.candles(bars, seed)
    began = time.process_time()
    train_bucket(
        own, candles, features_of(market), directory, on_episode=on_episode, should_stop=should_stop
    )
    elapsed = time.process_time() - began
    with reproducible(own.threads):
        return score(market, own, load_model(directory), scored_bars, elapsed)


def score(
    market: KnownMarket, settings: TrainingSettings, model: Model, bars: int, cpu_seconds: float
) -> Proof:
    """Let a model trade a fresh path of the market that it was trained on."""
    candles = market.candles(bars, settings.seed + FRESH)
    dataset = seen_by(model, candles, features_of(market), settings)
    environment = MarketEnvironment(dataset, settings)
    whole = slice(0, bars)
    optimum = market.optimum(settings.min_horizon, settings.cost)
    learned = environment.rollout(model.network, whole)
    best = environment.replay(optimum.policy(candles), whole)
    means = market.expected_returns(candles)
    luck = dataclasses.replace(learned, returns=learned.returns - means, cost=0.0)
    achieved, reachable = (
        accounting.net_bps(dataclasses.replace(rollout, returns=means))
        for rollout in (learned, best)
    )
    return Proof(
        market=market.name,
        bucket=settings.bucket,
        seed=settings.seed,
        interval=settings.min_horizon,
        achieved_bps=achieved,
        best_bps=reachable,
        optimal_bps=optimum.value_bps,
        share=achieved / reachable if optimum.value_bps > 0 else None,
        realised_bps=accounting.net_bps(learned),
        turnover=float(learned.changes.mean()),
        abstains=bool(model.card["validation"]["abstains"]),
        cpu_seconds=cpu_seconds,
        decisions=settings.episodes * settings.buffer_size,
        attainable_t=_attainable_t(best, model, settings) if optimum.value_bps > 0 else None,
        luck_bps=accounting.BPS * standard_error(block_means(luck, settings.max_horizon)),
    )


def _attainable_t(best: Rollout, model: Model, settings: TrainingSettings) -> float | None:
    """That of the best policy on its long path, brought to the length of the validation part."""
    start, end = model.card["parts"]["validation"]
    validated = (end - start) / model.card["interval_ms"]
    t = t_value(block_means(best, settings.max_horizon))
    return None if t is None else t * math.sqrt(validated / len(best.returns))
