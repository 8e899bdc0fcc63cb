"""Share of the exact optimum that each learner reaches on G2, and the CPU time it takes.

    python benchmarks/optimum.py [--learner cfq] [--seeds 5] [--episodes 100]

G2 is the AR(1) market of `btc_ai.learning.markets`: 200,000 bars, 12 noise features, 5 bps a
side. Bars, on every seed: CF-Q(λ) at least 95 % of the optimum within 20 CPU-seconds, PQN at
least 85 % within 31, Double DQN more than following the sign of the signal earns.
"""

import argparse
import time
from dataclasses import dataclass
from typing import get_args

import torch

from btc_ai.learning.environment import MarketEnvironment
from btc_ai.learning.evaluation import accounting
from btc_ai.learning.learners.registry import make_learner
from btc_ai.learning.markets.autoregressive import AutoregressiveMarket, score_network, solve
from btc_ai.learning.network import QNetwork
from btc_ai.learning.runtime import reproducible
from btc_ai.learning.settings import TrainingSettings
from btc_ai.names import LearnerName

BARS = 200_000
SCORED_BARS = 1_000_000
FOLLOWING_THE_SIGN = 0.161 / 1.017
LEAST = {"cfq": (0.95, 20.0), "pqn": (0.85, 31.0), "dqn": (FOLLOWING_THE_SIGN, float("inf"))}
"""Share of the exact optimum, and CPU-seconds."""

STAGES = 5


@dataclass(frozen=True)
class Stage:
    """A learner after some of its training: bps a bar by the true conditional mean.

    learned: of its policy. best: of the best policy on the same bars. validation: of its policy,
    by returns.
    """

    learned: float
    best: float
    validation: float
    cpu_seconds: float


def measure(
    market: AutoregressiveMarket, learner_name: LearnerName, seed: int, episodes: int
) -> list[Stage]:
    """Train one seed; the clock counts the set-up and the updates, not the scoring."""
    settings = TrainingSettings(
        "G2", 1, 72, ("signal",), cost_bps=5, seed=seed, episodes=episodes, learner=learner_name
    )
    dataset = market.dataset(BARS, seed, settings)
    began = time.process_time()
    environment = MarketEnvironment(dataset, settings)
    generator = torch.Generator().manual_seed(seed)
    network = QNetwork(dataset.columns, settings.horizons, generator)
    learner = make_learner(environment, network, settings, generator=generator)
    elapsed = time.process_time() - began
    stages, done = [], 0
    for stage in range(1, STAGES + 1):
        began = time.process_time()
        while done < settings.updates * stage // STAGES:
            learner.update()
            done += 1
        elapsed += time.process_time() - began
        rollout = environment.rollout(learner.policy, dataset.splits.validation)
        bars = SCORED_BARS if stage == STAGES else SCORED_BARS // 10
        scores = score_network(market, learner.policy, environment, bars=bars, seed=seed)
        stages.append(Stage(*scores, accounting.net_bps(rollout), elapsed))
    return stages


def main() -> int:
    """Print a row a learner and seed; exit status 1 below the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learner", choices=get_args(LearnerName), action="append")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--episodes", type=int, default=100)
    options = parser.parse_args()
    market = AutoregressiveMarket()
    optimum = solve(market, 5e-4).value_bps
    print(f"G2: exact optimum {optimum:.4f} bps a bar")
    print(
        "learner  seed  learned  same-path best  share of exact  of same-path  CPU-s  "
        "share and CPU-s on the way"
    )
    reached = True
    with reproducible(threads=1):
        for name in options.learner or get_args(LearnerName):
            for seed in range(options.seeds):
                stages = measure(market, name, seed, options.episodes)
                share, seconds = LEAST[name]
                r = stages[-1]
                reached &= r.learned / optimum > share and r.cpu_seconds <= seconds
                way = ", ".join(
                    f"{s.learned / s.best:.0%} {s.cpu_seconds:.1f}" for s in stages[:-1]
                )
                print(
                    f"{name:7}  {seed:4}  {r.learned:7.4f}  {r.best:14.4f}  "
                    f"{r.learned / optimum:14.1%}  {r.learned / r.best:12.1%}  "
                    f"{r.cpu_seconds:5.1f}  {way}",
                    flush=True,
                )
    print(f"bars: {'reached' if reached else 'MISSED'}")
    return 0 if reached else 1


if __name__ == "__main__":
    raise SystemExit(main())
