"""Share of the exact optimum that CF-Q(λ) reaches on G2, and the CPU time it takes.

    python benchmarks/optimum.py [--seeds 5] [--episodes 100]

G2 is the AR(1) market of `btc_ai.learning.markets`: 200,000 bars, 12 noise features, 5 bps a
side. Bar: at least 95 % of the optimum on every seed within 20 CPU-seconds.
"""

import argparse
import time
from dataclasses import dataclass

import torch

from btc_ai.learning.environment import MarketEnvironment
from btc_ai.learning.evaluation import accounting
from btc_ai.learning.learners.cfq import CounterfactualQ
from btc_ai.learning.markets.autoregressive import AutoregressiveMarket, score_network, solve
from btc_ai.learning.network import QNetwork
from btc_ai.learning.runtime import reproducible
from btc_ai.learning.settings import TrainingSettings

BARS = 200_000
SCORED_BARS = 1_000_000
SHARE, CPU_SECONDS = 0.95, 20.0


@dataclass(frozen=True)
class Result:
    """One seed: bps a bar by the true conditional mean, of the best policy on the same bars."""

    seed: int
    learned: float
    best: float
    validation: float
    cpu_seconds: float


def measure(market: AutoregressiveMarket, seed: int, episodes: int) -> Result:
    """Train one seed; the clock starts before the dataset is scaled and stops with training."""
    settings = TrainingSettings("G2", 1, 72, ("signal",), cost_bps=5, seed=seed, episodes=episodes)
    dataset = market.dataset(BARS, seed, settings)
    began = time.process_time()
    environment = MarketEnvironment(dataset, settings)
    generator = torch.Generator().manual_seed(seed)
    network = QNetwork(dataset.columns, settings.horizons, generator)
    learner = CounterfactualQ(environment, network, settings, generator=generator)
    for _ in range(settings.updates):
        learner.update()
    elapsed = time.process_time() - began
    rollout = environment.rollout(learner.policy, dataset.splits.validation)
    learned, best = score_network(market, learner.policy, environment, bars=SCORED_BARS, seed=seed)
    return Result(seed, learned, best, accounting.net_bps(rollout), elapsed)


def main() -> int:
    """Print a row a seed; exit status 1 below the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--episodes", type=int, default=100)
    options = parser.parse_args()
    market = AutoregressiveMarket()
    optimum = solve(market, 5e-4).value_bps
    print(f"G2: exact optimum {optimum:.4f} bps a bar")
    print("seed  learned  same-path best  share of exact  of same-path  CPU-s")
    reached = True
    with reproducible(threads=1):
        for seed in range(options.seeds):
            r = measure(market, seed, options.episodes)
            shares = r.learned / optimum, r.learned / r.best
            reached &= shares[0] >= SHARE and r.cpu_seconds <= CPU_SECONDS
            print(
                f"{seed:4}  {r.learned:7.4f}  {r.best:14.4f}  {shares[0]:13.1%}  "
                f"{shares[1]:12.1%}  {r.cpu_seconds:5.1f}"
            )
    print(f"bar ({SHARE:.0%} within {CPU_SECONDS:.0f} CPU-s): {'reached' if reached else 'MISSED'}")
    return 0 if reached else 1


if __name__ == "__main__":
    raise SystemExit(main())
