"""Train-serve equality: training on the whole series and serving at bar t see and do the same.

Serving has the candles up to t, the network and the scaler as the model's card keeps it.
Features, scaled and bit for bit, and greedy actions must be those that training has at t. Reward
and horizon targets must be what rollouts of the environment earn, and what exact timing says
(`audit.timing`), to 1e-6 of log-return, with the volatility that serving knows at t.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from btc_ai.learning.audit.probe import trading_network
from btc_ai.learning.audit.report import Check, Finding
from btc_ai.learning.audit.subject import Subject, different
from btc_ai.learning.audit.timing import TOLERANCE, exact_returns, fill
from btc_ai.learning.environment import greedy_table
from btc_ai.learning.horizons import horizon_targets
from btc_ai.learning.network import POSITIONS
from btc_ai.market.scaler import RobustScaler

NAME = "train-serve equality"
LONG = POSITIONS.index(1)


def train_serve_equality(subject: Subject) -> Check:
    """At seeded bars: first what is served, then what is learned from."""
    served = _served_bars(subject)
    learned = _learned_bars(subject)
    findings = _served(subject, served) or _targets(subject, learned)
    looked_at = (
        f"features and greedy actions at {len(served)} bars behind the training part, rewards and "
        f"horizon targets at {len(learned)} bars"
    )
    return Check(NAME, looked_at, findings)


def _served_bars(subject: Subject) -> list[int]:
    data = subject.dataset
    first = data.splits.validation.start
    usable = first + np.flatnonzero(data.valid[first:])
    return _draw(subject, usable, subject.effort.served, 6)


def _learned_bars(subject: Subject) -> list[int]:
    """Bars with all targets known and features throughout the longest rollout."""
    data, longest = subject.dataset, _longest(subject)
    targets = horizon_targets(data, subject.settings.horizons)
    usable = data.valid & ~np.isnan(targets).any(axis=1)
    usable[-longest:] = False
    usable[:-longest] &= data.segment_ids[longest:] == data.segment_ids[:-longest]
    return _draw(subject, np.flatnonzero(usable), 16 * subject.effort.served, 7)


def _longest(subject: Subject) -> int:
    return max(*subject.settings.horizons, subject.settings.min_horizon) + 2


def _draw(subject: Subject, bars: NDArray[np.int64], count: int, key: int) -> list[int]:
    drawn = subject.generator(key).choice(bars, min(count, len(bars)), replace=False)
    return sorted(drawn.tolist())


def _served(subject: Subject, bars: list[int]) -> tuple[Finding, ...]:
    data, cost = subject.dataset, subject.environment.cost_scaled
    network = trading_network(subject)
    scaler = RobustScaler.from_json(data.scaler.to_json())
    first = data.splits.validation.start
    table = greedy_table(network, data.features[first:], cost)
    for bar in bars:
        subject.stop_if_asked()
        prefix = subject.candles.take(slice(0, bar + 1))
        row = subject.pipeline.serve(prefix, subject.registry, subject.settings, scaler)
        changed = np.flatnonzero(different(row[0], data.features[bar].numpy()))
        if len(changed):
            names = ", ".join(data.columns[column] for column in changed.tolist())
            return (
                subject.finding(
                    f"feature columns {names}",
                    "training saw another value at this bar than serving gives with the bars up "
                    "to it alone",
                    "Compute features the same way in both, from the start of the hole-free run, "
                    "and from no later bar",
                    bar,
                ),
            )
        chosen = subject.pipeline.act(network, torch.from_numpy(row), cost)[0]
        if (chosen != table[bar - first]).any():
            detail = "serving acts otherwise than training does, at equal features"
            return (subject.finding("greedy actions", detail, "Use one code path for both", bar),)
    return ()


def _targets(subject: Subject, bars: list[int]) -> tuple[Finding, ...]:
    settings, data = subject.settings, subject.dataset
    exact = exact_returns(subject.candles)
    sigma = subject.pipeline.volatility(subject.candles)
    targets = horizon_targets(data, settings.horizons).astype(np.float64)
    rewards = subject.environment.held_returns(settings.discount)
    weights = settings.discount ** np.arange(settings.min_horizon)
    horizons = np.array(settings.horizons)
    for bar in bars:
        long = subject.environment.replay(_always_long(subject), _stretch(subject, bar))
        rolled = long.positions[0] * long.returns
        expected = np.cumsum(exact[bar : bar + horizons[-1]])[horizons - 1]
        unit = sigma[bar] * np.sqrt(horizons)
        pairs = {
            "environment's rollout": (np.cumsum(rolled)[horizons - 1], expected),
            "reward target": (
                rewards[bar : bar + 1],
                weights @ exact[bar : bar + len(weights)],
            ),
            "horizon targets": (targets[bar] * unit, expected),
        }
        for part, (ours, truth) in pairs.items():
            if np.abs(ours - truth).max() > TOLERANCE:
                return (_mistimed(subject, part, bar),)
    return ()


def _mistimed(subject: Subject, part: str, bar: int) -> Finding:
    """Held over one bar, an environment's returns tell when it fills."""
    return subject.finding(
        part,
        "it is not what a decision at this bar earns from the open of the next on; in the "
        f"environment {fill(subject.candles, subject.environment.returns)}",
        "Fill a decision taken at the close of bar t at the open of t + 1, and measure what "
        "follows from there",
        bar,
    )


def _stretch(subject: Subject, bar: int) -> slice:
    return slice(bar, bar + _longest(subject))


def _always_long(subject: Subject) -> NDArray[np.int64]:
    return np.full((_longest(subject), len(POSITIONS)), LONG)
