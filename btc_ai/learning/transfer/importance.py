"""Feature importance: what the policy loses when one feature is torn from its bars.

Permutation importance (Breiman 2001, Machine Learning 45; Fisher, Rudin & Dominici 2019, JMLR 20)
of the policy's value itself: the drop of the net return a bar on the validation part when all
columns of one feature are permuted jointly. Whole blocks of at least max(288, MAX_HORIZON) bars
change places, which keeps what a feature has to do with its own past, so that the policy still
meets stretches of it that look real.

The error is that of the means of the paired differences in blocks of bars, averaged over the
permutations, and of the permutations themselves, added up; the 95 % interval is by Student's t
over the blocks. A part of fewer than two blocks tells no error, which is then taken to be as large
as the drop: what follows from it is nothing.
"""

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from btc_ai.learning.environment import MarketEnvironment, greedy_table
from btc_ai.learning.evaluation.accounting import BPS
from btc_ai.learning.evidence import (
    DAY,
    Array,
    block_means,
    standard_error,
    t_quantile,
)  # fmt: skip
from btc_ai.learning.network import QNetwork
from btc_ai.market.features import feature_of

PERMUTATIONS = 5
MOST_ROWS = 250_000
"""Bars times features times permutations that are looked at; the latest bars count."""


@dataclass(frozen=True)
class Drop:
    """How much of the value goes with a feature, in net bps a bar, with a 95 % interval."""

    drop: float
    se: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        """A plain dictionary."""
        return dataclasses.asdict(self)


def feature_importance(
    environment: MarketEnvironment, network: QNetwork, part: slice, seed: int
) -> dict[str, Drop]:
    """The drop of each of the network's features on `part`; the same seed gives the same ones.

    At most `MOST_ROWS` rows go through the network, by leaving out the oldest bars of the part.
    """
    owners = np.array([feature_of(column) for column in network.columns])
    features = list(dict.fromkeys(owners.tolist()))
    bars = max(1, MOST_ROWS // (len(features) * PERMUTATIONS))
    part = slice(max(part.start, part.stop - bars), part.stop)
    block = max(DAY, environment.settings.max_horizon)
    orders = [
        block_permutation(environment.dataset.valid[part], block, np.random.default_rng([seed, i]))
        for i in range(PERMUTATIONS)
    ]
    whole = _blocks(environment, network, part, environment.dataset.features[part])
    found = {}
    for feature in features:
        torn = torch.from_numpy(np.flatnonzero(owners == feature))
        drops = [whole - _permuted(environment, network, part, torn, order) for order in orders]
        found[feature] = _sum_up(BPS * np.stack(drops))
    return found


def block_permutation(
    valid: NDArray[np.bool_], block: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Where each bar takes a feature from [bars]: the valid bars in blocks, none left in place.

    The bars are cut at a random place of a circle into blocks of at least `block`, two at least,
    which are put into a random cyclic order (Sattolo 1986), so that none stays where it was.
    """
    order = np.arange(len(valid))
    usable = np.flatnonzero(valid)
    if len(usable) < 2:
        return order
    circle = np.roll(usable, int(generator.integers(len(usable))))
    blocks = np.array_split(circle, max(2, len(usable) // block))
    places = np.arange(len(blocks))
    for last in range(len(blocks) - 1, 0, -1):
        other = int(generator.integers(last))
        places[[last, other]] = places[[other, last]]
    order[circle] = np.concatenate([blocks[place] for place in places])
    return order


def _permuted(
    environment: MarketEnvironment,
    network: QNetwork,
    part: slice,
    columns: torch.Tensor,
    order: NDArray[np.int64],
) -> Array:
    seen = environment.dataset.features[part].clone()
    columns = columns.to(seen.device)
    seen[:, columns] = seen[torch.from_numpy(order).to(seen.device)][:, columns]
    return _blocks(environment, network, part, seen)


def _blocks(
    environment: MarketEnvironment, network: QNetwork, part: slice, features: torch.Tensor
) -> Array:
    """Block means of the net return of the policy that sees these features; the whole at least."""
    table = greedy_table(network, features, environment.cost_scaled)
    rollout = environment.replay(table, part)
    means = block_means(rollout, environment.settings.max_horizon)
    return means if len(means) else np.array([rollout.net.mean()])


def _sum_up(drops: Array) -> Drop:
    """From drops in bps a bar [permutations, blocks]."""
    by_block, by_permutation = drops.mean(axis=0), drops.mean(axis=1)
    drop = float(drops.mean())
    error = math.hypot(standard_error(by_block), standard_error(by_permutation))
    if len(by_block) < 2:
        error = abs(drop)
    reach = t_quantile(max(1, len(by_block) - 1)) * error
    return Drop(drop, error, drop - reach, drop + reach)
