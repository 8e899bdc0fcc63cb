"""Training throughput against stable-baselines3's DQN and against the machine's matmul rate.

    pip install 'btc-ai[bench]' && python -m benchmarks.throughput [--rounds 7]

Both learn the same AR(1) market with the same LayerNorm MLP 2 × 128, on one thread, in turns.
DQN runs at its own defaults: batches of 32 every 4 steps, which is a replay ratio of 8. CF-Q(λ)
learns from 32 windows × 32 decisions an update. Times are CPU-seconds; medians over the rounds.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch

from benchmarks.peers import BATCH, EVERY, make_dqn
from btc_ai.learning.environment import MarketEnvironment
from btc_ai.learning.learners.cfq import CounterfactualQ
from btc_ai.learning.markets.autoregressive import AutoregressiveMarket
from btc_ai.learning.markets.datasets import known_dataset
from btc_ai.learning.network import QNetwork
from btc_ai.learning.runtime import reproducible
from btc_ai.learning.settings import TrainingSettings

BARS = 50_000
UPDATES = 100
STEPS = 1_000
WARM_UP_STEPS = 1_000
LEAST_BARS = 150_000
BARS_RATIO, SAMPLES_RATIO, FLOOR_SHARE = 100.0, 8.0, 0.20


def make_market() -> tuple[MarketEnvironment, CounterfactualQ]:
    """The market, and our learner on it."""
    settings = TrainingSettings("G2", 1, 72, ("signal", "noise"), cost_bps=5, episodes=10_000)
    environment = MarketEnvironment(known_dataset(AutoregressiveMarket(), settings, BARS), settings)
    generator = torch.Generator().manual_seed(0)
    network = QNetwork(environment.dataset.columns, settings.horizons, generator)
    return environment, CounterfactualQ(environment, network, settings, generator=generator)


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU time of this process for `work`."""
    began = time.process_time()
    work()
    return time.process_time() - began


def matmul_rate() -> float:
    """FLOP per CPU-second of 1024 × 128 × 128."""
    left, right = torch.randn(1024, 128), torch.randn(128, 128)
    out = torch.empty(1024, 128)

    def work() -> None:
        for _ in range(300):
            torch.mm(left, right, out=out)

    return 300 * 2 * 1024 * 128 * 128 / cpu_seconds(work)


def main() -> int:
    """Print the three ratios; exit status 1 when one is below its bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with reproducible(threads=1):
        environment, learner = make_market()
        dqn = make_dqn(environment, learner.settings.discount, WARM_UP_STEPS)
        dqn.learn(WARM_UP_STEPS)

        def update() -> None:
            for _ in range(UPDATES):
                learner.update()

        def step() -> None:
            dqn.learn(STEPS, reset_num_timesteps=False)

        update()
        step()
        decisions = UPDATES * learner.settings.batch_size * learner.settings.window
        bars, steps, shares = [], [], []
        parameters = sum(weight.numel() for weight in learner.network.parameters())
        for _ in range(rounds):
            steps.append(STEPS / cpu_seconds(step))
            flops = matmul_rate()
            bars.append(decisions / cpu_seconds(update))
            shares.append(bars[-1] * 6 * parameters / flops)
    return report(median(bars), median(steps), median(shares), parameters)


def report(bars: float, steps: float, share: float, parameters: int) -> int:
    """Print the result; 0 when all bars are reached."""
    samples = steps * BATCH / EVERY
    print(f"CF-Q(λ)   {bars:10,.0f} market bars and gradient samples a CPU-s, 3 × 3 actions each")
    print(f"SB3 DQN   {steps:10,.0f} env-steps, {samples:,.0f} gradient samples a CPU-s")
    print(f"network   {parameters:10,} parameters")
    rows = [
        ("market bars a CPU-s, k", bars / 1e3, LEAST_BARS / 1e3),
        ("market bars : env-steps", bars / steps, BARS_RATIO),
        ("gradient samples", bars / samples, SAMPLES_RATIO),
        ("share of the FLOP floor", share, FLOOR_SHARE),
    ]
    for name, value, least in rows:
        verdict = "reached" if value >= least else "MISSED"
        print(f"{name:24} {value:8.2f}   bar {least:5.2f}   {verdict}")
    return 0 if all(value >= least for _, value, least in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
