"""Markets whose best policy is known, to measure a learner against.

G2, AR(1): log-returns r' = β·σ·x + σ·η with a seen signal x' = ρ·x + √(1 − ρ²)·ε, ε and η
standard normal. The signal explains R² ≈ β² of a bar. The best policy under proportional cost
is found by dynamic programming on a Tauchen grid (Tauchen 1986) and confirmed by Monte Carlo.
Policies are scored with the true conditional mean β·σ·x, which takes the noise out.
"""

import hashlib
import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from btc_ai.learning.dataset import Dataset
from btc_ai.learning.environment import FLAT, MarketEnvironment, Rollout, greedy_table
from btc_ai.learning.network import POSITIONS, QNetwork
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.features import FeatureMatrix

BPS = 1e4


@dataclass(frozen=True)
class AutoregressiveMarket:
    """G2. `sigma` is the volatility of a bar as a fraction; `noise_features` say nothing."""

    beta: float = 0.1
    rho: float = 0.9
    sigma: float = 20e-4
    noise_features: int = 12

    def signal(
        self, bars: int, generator: np.random.Generator, lanes: int = 1
    ) -> NDArray[np.float64]:
        """Stationary paths of x [lanes, bars]."""
        shocks = generator.standard_normal((lanes, bars))
        shocks[:, 1:] *= math.sqrt(1 - self.rho**2)
        for t in range(1, bars):
            shocks[:, t] += self.rho * shocks[:, t - 1]
        return shocks

    def expected_returns(self, signal: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean log-return of the bar that a decision at x earns."""
        return self.beta * self.sigma * signal

    def features(
        self, signal: NDArray[np.float64], generator: np.random.Generator
    ) -> NDArray[np.float32]:
        """The signal and the noise features [bars, 1 + noise_features]."""
        noise = generator.standard_normal((len(signal), self.noise_features))
        return np.column_stack([signal, noise]).astype(np.float32)

    def dataset(self, bars: int, seed: int, settings: TrainingSettings) -> Dataset:
        """`bars` bars to learn from, in the usual three parts."""
        generator = np.random.default_rng([seed, 1])
        signal = self.signal(bars, generator)[0]
        values = self.features(signal, generator)
        earned = self.expected_returns(signal) + self.sigma * generator.standard_normal(bars)
        # A decision at bar t earns log(open[t+2] / open[t+1]).
        log_open = np.concatenate([[0.0, 0.0], np.cumsum(earned)])[:bars]
        names = ("signal.x", *(f"noise.{i}" for i in range(self.noise_features)))
        return Dataset.build(
            FeatureMatrix(values, names, np.ones(bars, dtype=np.bool_), 0),
            settings,
            log_open=log_open,
            volatility=np.full(bars, self.sigma),
            segment_ids=np.zeros(bars, dtype=np.int64),
            interval_ms=300_000,
            data_sha256=hashlib.sha256(log_open.tobytes() + values.tobytes()).hexdigest(),
        )


@dataclass(frozen=True)
class OptimalPolicy:
    """The solution: value in bps a bar, and the greedy table on the grid of x."""

    value_bps: float
    grid: NDArray[np.float64]
    table: NDArray[np.int64]

    def table_for(self, signal: NDArray[np.float64]) -> NDArray[np.int64]:
        """Greedy position indices for each x and position held before [bars, 3]."""
        nearest = np.rint((signal - self.grid[0]) / (self.grid[1] - self.grid[0]))
        return np.asarray(self.table[np.clip(nearest, 0, len(self.grid) - 1).astype(np.int64)])


def tauchen(
    rho: float, nodes: int, width: float = 4.5
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Grid [nodes] and transition matrix [nodes, nodes] of a unit-variance AR(1)."""
    grid = np.linspace(-width, width, nodes)
    edges = np.concatenate([[-np.inf], (grid[1:] + grid[:-1]) / 2, [np.inf]])
    z = (edges[None, :] - rho * grid[:, None]) / math.sqrt(1 - rho**2)
    below = 0.5 * (1 + torch.erf(torch.from_numpy(z / math.sqrt(2))).numpy())
    return grid, np.diff(below, axis=1)


def solve(
    market: AutoregressiveMarket, cost: float, nodes: int = 401, tolerance: float = 1e-10
) -> OptimalPolicy:
    """Best average reward by relative value iteration (Puterman 1994, §8.5.5)."""
    grid, transition = tauchen(market.rho, nodes)
    positions = np.asarray(POSITIONS, dtype=np.float64)
    costs = cost * np.abs(positions[None, :] - positions[:, None])
    rewards = market.expected_returns(grid)[:, None] * positions
    best = np.zeros((nodes, len(positions)))
    while True:
        held = rewards + transition @ best
        improved = (held[:, None, :] - costs).max(axis=-1)
        gain = improved - best
        best = improved - improved[nodes // 2, FLAT]
        if np.ptp(gain) < tolerance:
            break
    table = (held[:, None, :] - costs).argmax(axis=-1)
    return OptimalPolicy(float(gain.mean() * BPS), grid, table)


def score(
    market: AutoregressiveMarket, signal: NDArray[np.float64], table: NDArray[np.int64], cost: float
) -> float:
    """Bps a bar of a greedy table [bars, 3] on a path of x [bars], by the conditional mean."""
    held, path = FLAT, []
    for row in table.tolist():
        held = row[held]
        path.append(held)
    positions = np.asarray(POSITIONS, dtype=np.float64)[path][None, :]
    rollout = Rollout(positions, market.expected_returns(signal), cost)
    return float(rollout.net.mean() * BPS)


def score_network(
    market: AutoregressiveMarket,
    network: QNetwork,
    environment: MarketEnvironment,
    *,
    bars: int,
    seed: int,
) -> tuple[float, float]:
    """Bps a bar of the network and of the best policy on the same fresh path."""
    generator = np.random.default_rng([seed, 2])
    signal = market.signal(bars, generator)[0]
    scaled = environment.dataset.scaler.transform(market.features(signal, generator))
    learned = greedy_table(network, torch.from_numpy(scaled), environment.cost_scaled)
    best = solve(market, environment.cost).table_for(signal)
    cost = environment.cost
    return score(market, signal, learned, cost), score(market, signal, best, cost)
