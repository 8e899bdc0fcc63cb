"""Gap canary: on market G7 (`learning.markets.gap`) only a fill at the close can earn anything.

Run through the real environment, deciding as often as the bucket does: "hold the direction of the
bar that closed" must earn what exact timing says. Then with the bucket's own features, deciding
every bar, where a leak pays most: a short training must leave the policy flat.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from btc_ai.learning.audit.probe import UPDATES, probe_settings, short_training
from btc_ai.learning.audit.report import Check, Finding
from btc_ai.learning.audit.subject import Subject
from btc_ai.learning.audit.timing import TOLERANCE, Array, exact_returns, fill
from btc_ai.learning.environment import FLAT, Rollout
from btc_ai.learning.evaluation.accounting import net_bps
from btc_ai.learning.markets.gap import GapMarket
from btc_ai.learning.network import POSITIONS

NAME = "gap canary"
# So many that a short training cannot learn them by heart: the policy is flat for no other reason.
BARS = 80_000
MOST_TURNOVER = 0.005
FILL_ADVICE = "Fill a decision taken at the close of a bar at the open of the next"


def gap_canary(subject: Subject) -> Check:
    """The accounting first; the policy where that is right."""
    market = GapMarket(interval=subject.candles.interval)
    candles = market.candles(max(BARS, subject.needed), subject.seed)
    candles = dataclasses.replace(candles, time=candles.time + subject.candles.time[0])
    settings = dataclasses.replace(subject.settings, cost_bps=market.cost_bps)
    computable = subject.on(candles, settings).computable()
    findings = _accounting(computable)
    looked_at = f"{len(candles):,} bars of {market.name} at {market.cost_bps:g} bps a side"
    if findings:
        return Check(NAME, f"{looked_at}: the accounting of a known policy", findings)
    every_bar = probe_settings(computable.settings, market.cost_bps)
    every_bar = dataclasses.replace(every_bar, min_horizon=1)
    turnover, net, findings = _policy(subject.on(candles, every_bar))
    looked_at += (
        f": the accounting of a known policy, and {UPDATES} updates with "
        f"{', '.join(every_bar.features)}: turnover {turnover:.4f}, {net:+.3f} bps a bar"
    )
    return Check(NAME, looked_at, findings)


def _accounting(subject: Subject) -> tuple[Finding, ...]:
    candles, environment = subject.candles, subject.environment
    part = environment.dataset.splits.test
    bars = candles.take(part)
    direction = np.sign(bars.close / bars.open - 1).astype(np.int64)
    table = np.repeat((direction + FLAT)[:, None], len(POSITIONS), axis=1)
    replayed = environment.replay(table, part)
    expected = _hold(direction, exact_returns(bars), environment.interval, subject.settings.cost)
    off = np.abs(replayed.net - expected.net).max()
    if off < TOLERANCE:
        return ()
    earned = np.where(np.isnan(exact_returns(bars)), np.nan, replayed.returns)
    return (
        subject.finding(
            "environment",
            f"{fill(bars, earned)}; holding the direction of the bar that closed earns "
            f"{net_bps(replayed):+.2f} bps a bar where exact timing says {net_bps(expected):+.2f}",
            FILL_ADVICE,
        ),
    )


def _hold(direction: NDArray[np.int64], returns: Array, interval: int, cost: float) -> Rollout:
    """Take the direction every `interval` bars, in every phase, flat where nothing is earned."""
    bars = np.arange(len(direction))
    lanes = [
        np.where(bars < phase, 0, direction[(bars - phase) // interval * interval + phase])
        for phase in range(interval)
    ]
    positions = np.where(np.isnan(returns), 0.0, np.stack(lanes))
    return Rollout(positions, np.nan_to_num(returns), cost)


def _policy(subject: Subject) -> tuple[float, float, tuple[Finding, ...]]:
    """Turnover and net bps a bar of what a short training finds, behind the training part."""
    network, environment = short_training(subject)
    part = slice(subject.dataset.splits.validation.start, len(subject.candles))
    rollout = environment.rollout(network, part)
    turnover, net = float(rollout.changes.mean()), net_bps(rollout)
    if turnover < MOST_TURNOVER:
        return turnover, net, ()
    finding = subject.finding(
        "features or environment",
        f"the policy trades ({turnover:.3f} of the capital a bar) and earns {net:+.2f} bps a bar "
        "where being flat is best",
        "Look at the other checks for a feature that reads ahead; if there is none, a decision is "
        "filled or paid at another time than the open of the next bar",
    )
    return turnover, net, (finding,)
