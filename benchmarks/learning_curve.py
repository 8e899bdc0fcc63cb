"""CPU time to 90 % and to 95 % of the exact optimum on G2, beside stable-baselines3's DQN and PPO.

    pip install 'btc-ai[bench]' && python -m benchmarks.learning_curve [--limit 600] [--seeds 3]

Same market (200,000 bars, 12 noise features, 5 bps a side), same LayerNorm MLP 2 × 128, same
learning rate and discount, one thread. The clock counts training alone. A policy is scored with the
true conditional means on a fresh path; the peers are given `--limit` CPU-seconds each. Bar: 90 % at
least 20 times sooner than the better peer.
"""

import argparse
import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import peers
from btc_ai.learning.dataset import Dataset, Scales, Splits
from btc_ai.learning.environment import MarketEnvironment, greedy_table
from btc_ai.learning.evaluation.accounting import net_bps
from btc_ai.learning.learners.registry import make_learner
from btc_ai.learning.markets.autoregressive import AutoregressiveMarket
from btc_ai.learning.markets.datasets import features_of, known_dataset, settings_for
from btc_ai.learning.network import QNetwork
from btc_ai.learning.runtime import reproducible
from btc_ai.learning.settings import TrainingSettings

BARS, SCORED_BARS = 200_000, 200_000
FRESH = 1_000_000
SHARES = (0.90, 0.95)
OWN: tuple[str, ...] = ("cfq", "pqn")
LEAST_RATIO = 20.0
GROWTH = 1.03
UPDATES_AT_ONCE, STEPS_AT_ONCE = 20, 2_048

Table = NDArray[np.int64]
Train = Callable[[], None]
Act = Callable[[torch.Tensor], Table]


@dataclass(frozen=True)
class Scorer:
    """A fresh path of the market, on the scales of the training."""

    environment: MarketEnvironment
    means: NDArray[np.float64]
    best: float

    def share(self, act: Act) -> float:
        """What a policy earns of what the best one does."""
        return self._value(act(self.environment.dataset.features)) / self.best

    def _value(self, table: Table) -> float:
        rollout = self.environment.replay(table, slice(0, len(self.means)))
        return net_bps(dataclasses.replace(rollout, returns=self.means))

    @classmethod
    def on(
        cls, market: AutoregressiveMarket, settings: TrainingSettings, trained: Dataset
    ) -> "Scorer":
        """The path of a seed that was not trained on."""
        candles = market.candles(SCORED_BARS, settings.seed + FRESH)
        whole, nothing = slice(0, SCORED_BARS), slice(SCORED_BARS, SCORED_BARS)
        scored = Dataset.from_candles(
            candles, features_of(market), settings, splits=Splits(whole, nothing, nothing),
            scales=Scales(trained.scaler, trained.reward_scale),
        )  # fmt: skip
        made = cls(MarketEnvironment(scored, settings), market.expected_returns(candles), 1.0)
        optimum = market.optimum(settings.min_horizon, settings.cost)
        return dataclasses.replace(made, best=made._value(optimum.policy(candles)))


def times(train: Train, act: Act, scorer: Scorer, limit: float) -> dict[float, float]:
    """CPU-seconds of training to each share; those not reached within `limit` are left out.

    Scored whenever training has taken 3 % longer, and at the end: no time is told too early.
    """
    reached, due = dict[float, float](), 0.0
    for seconds in _clock(train, limit):
        if seconds < min(due, limit):
            continue
        due = GROWTH * seconds
        share = scorer.share(act)
        for wanted in SHARES:
            if share >= wanted:
                reached.setdefault(wanted, seconds)
        if len(reached) == len(SHARES):
            break
    return reached


def _clock(train: Train, limit: float) -> Iterator[float]:
    spent = 0.0
    while spent < limit:
        began = time.process_time()
        train()
        spent += time.process_time() - began
        yield spent


def ours(environment: MarketEnvironment, settings: TrainingSettings) -> tuple[Train, Act]:
    """The learner that the settings name."""
    generator = torch.Generator().manual_seed(settings.seed)
    network = QNetwork(environment.dataset.columns, settings.horizons, generator)
    learner = make_learner(environment, network, settings, generator=generator)

    def train() -> None:
        for _ in range(UPDATES_AT_ONCE):
            learner.update()

    return train, lambda features: greedy_table(learner.policy, features, environment.cost_scaled)


def peer(name: str, environment: MarketEnvironment, discount: float) -> tuple[Train, Act]:
    """stable-baselines3's DQN or PPO."""
    makers: dict[str, Callable[[MarketEnvironment, float], peers.Peer]] = {
        "SB3 DQN": peers.make_dqn, "SB3 PPO": peers.make_ppo,
    }  # fmt: skip
    model = makers[name](environment, discount)

    def train() -> None:
        model.learn(STEPS_AT_ONCE, reset_num_timesteps=False)

    return train, lambda features: peers.greedy_table(model, features.numpy())


def main() -> int:
    """Print a row a learner and seed; exit status 1 below the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=float, default=600.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--peers", nargs="*", default=["SB3 DQN", "SB3 PPO"])
    options = parser.parse_args()
    market, found = AutoregressiveMarket(), dict[str, list[dict[float, float]]]()
    base = TrainingSettings("G2", 1, 72, ("signal",), episodes=100)
    with reproducible(threads=1):
        for learner in OWN:
            for seed in range(options.seeds):
                settings = settings_for(market, dataclasses.replace(base, learner=learner), seed)
                dataset = known_dataset(market, settings, BARS)
                environment = MarketEnvironment(dataset, settings)
                scorer = Scorer.on(market, settings, dataset)
                reached = times(*ours(environment, settings), scorer, options.limit)
                found.setdefault(learner, []).append(reached)
                print(f"{learner:8} seed {seed}: {_words(reached, options.limit)}", flush=True)
        settings = settings_for(market, base, 0)
        dataset = known_dataset(market, settings, BARS)
        environment, scorer = (
            MarketEnvironment(dataset, settings), Scorer.on(market, settings, dataset),
        )  # fmt: skip
        for name in options.peers:
            reached = times(*peer(name, environment, settings.discount), scorer, options.limit)
            found[name] = [reached]
            print(f"{name:8} seed 0: {_words(reached, options.limit)}", flush=True)
    return report(found, options.limit)


def _words(reached: dict[float, float], limit: float) -> str:
    words = (
        f"{share:.0%} after {reached[share]:.1f} CPU-s"
        if share in reached
        else f"{share:.0%} not within {limit:.0f} CPU-s"
        for share in SHARES
    )
    return ", ".join(words)


def report(found: dict[str, list[dict[float, float]]], limit: float) -> int:
    """Print the ratio; 0 when the bar is reached."""
    own = median(reached.get(SHARES[0], limit) for reached in found["cfq"])
    theirs = {name: runs[0].get(SHARES[0]) for name, runs in found.items() if name[:3] == "SB3"}
    if not theirs:
        return 0
    best = min(limit if seconds is None else seconds for seconds in theirs.values())
    never = " or more (neither peer got there)" if not any(theirs.values()) else ""
    ratio = best / own
    verdict = "reached" if ratio >= LEAST_RATIO else "MISSED"
    print(f"to {SHARES[0]:.0%}: {ratio:.0f} ×{never}, bar {LEAST_RATIO:.0f} × {verdict}")
    return 0 if ratio >= LEAST_RATIO else 1


if __name__ == "__main__":
    raise SystemExit(main())
