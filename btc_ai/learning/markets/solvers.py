"""Best policies of markets that a finite Markov chain describes, by dynamic programming.

A market shows a state x at each close. Decisions are taken every d bars (a semi-Markov decision
process of constant length): position a, coming from k, earns over those d bars

    a·m_d(x) − c·|a − k|,    m_d(x) = Σ_{j<d} E[log(open[t+j+2] / open[t+j+1]) | x_t = x]

and the next state is drawn from the chain's d-step transition. The best average reward is found
by value iteration on (x, k) (Puterman 1994, §8.5 and §9.4). Each step is taken by half, which
changes neither gain nor policy and lets periodic chains converge too (his §8.5.4).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from btc_ai.learning.environment import turnover_costs
from btc_ai.learning.markets.market import BPS, Array, Optimum
from btc_ai.learning.network import POSITIONS
from btc_ai.market.candles import Candles

NODES = 401
WIDTH = 4.5
TOLERANCE = 1e-13
"""Log-return a decision; 1e-9 bps."""


@dataclass(frozen=True)
class Chain:
    """A market's states, from one decision to the next.

    states: ascending, evenly spaced [n]. transition: [n, n]. earned: m_d of each state [n].
    """

    states: Array
    transition: Array
    earned: Array

    def nearest(self, seen: Array) -> NDArray[np.int64]:
        """Index of the state nearest to each value seen [bars]."""
        step = self.states[1] - self.states[0]
        index = np.rint((seen - self.states[0]) / step).astype(np.int64)
        return np.asarray(np.clip(index, 0, len(self.states) - 1))


@dataclass(frozen=True)
class Solution:
    """gain: best average reward a decision from each state [n]; table: greedy positions [n, 3]."""

    gain: Array
    table: NDArray[np.int64]


def solve(chain: Chain, cost: float) -> Solution:
    """The best policy at `cost` (a fraction) a side.

    The gain is one number where every state leads to every other; a deterministic cycle that is
    seen every d bars may fall into several that do not meet.
    """
    positions = np.asarray(POSITIONS, dtype=np.float64)
    costs = turnover_costs(cost, torch.zeros(0, dtype=torch.float64)).numpy()
    rewards = chain.earned[:, None] * positions
    value, gain = np.zeros_like(rewards), np.full_like(rewards, np.inf)
    while True:
        action_values = (rewards + chain.transition @ value)[:, None, :] - costs
        improved = action_values.max(axis=-1) - value
        if np.abs(improved - gain).max() < TOLERANCE:
            return Solution(improved.mean(axis=1), action_values.argmax(axis=-1))
        value, gain = value + improved / 2, improved


def tauchen(rho: float, nodes: int = NODES, width: float = WIDTH) -> tuple[Array, Array]:
    """Grid [nodes] and transition [nodes, nodes] of a unit-variance AR(1) (Tauchen 1986)."""
    grid = np.linspace(-width, width, nodes)
    edges = np.concatenate([[-np.inf], (grid[1:] + grid[:-1]) / 2, [np.inf]])
    z = (edges[None, :] - rho * grid[:, None]) / math.sqrt(1 - rho**2)
    below = torch.special.ndtr(torch.from_numpy(z)).numpy()
    return grid, np.diff(below, axis=1)


def autoregressive_chain(rho: float, mean: float, interval: int) -> Chain:
    """A unit-variance AR(1) x that foretells mean·x of the next bar, seen every d bars.

    After j bars x has faded to ρ^j·x, so m_d(x) = mean·x·(1 − ρ^d) / (1 − ρ).
    """
    grid, transition = tauchen(rho**interval)
    return Chain(grid, transition, mean * grid * (1 - rho**interval) / (1 - rho))


def solved(chain: Chain, interval: int, cost: float, seen: Callable[[Candles], Array]) -> Optimum:
    """The chain's optimum, found by `solve`; `seen` reads the state from candles [bars].

    All states weigh alike where the gain differs, as the phases of a cycle do.
    """
    solution = solve(chain, cost)

    def policy(candles: Candles) -> NDArray[np.int64]:
        return np.asarray(solution.table[chain.nearest(seen(candles))])

    return Optimum(float(solution.gain.mean()) / interval * BPS, "dynamic", policy)
