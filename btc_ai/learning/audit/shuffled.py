"""Shuffled returns: where there is nothing to learn, a short training earns nothing.

The market's bars are drawn in another order, each with its jump from the close before, its shape
and its volume, and without their mean: no bar foretells another, and always long earns nothing.
Features are computed from these candles and a network is trained on them for a moment, at no
cost, which makes the least leak pay. What it then earns on the validation part is a sum of
martingale differences, so that its own standard error says what chance can do.
"""

import math

import numpy as np

from btc_ai.learning.audit.probe import UPDATES, probe_settings, short_training
from btc_ai.learning.audit.report import Check
from btc_ai.learning.audit.subject import Subject
from btc_ai.learning.evaluation.accounting import BPS
from btc_ai.market.candles import Candles

NAME = "shuffled returns"
MOST_BARS = 60_000
STANDARD_ERRORS = 4.0


def shuffled_returns(subject: Subject) -> Check:
    """Earning more than four standard errors is a leak; chance does so once in 30,000 times."""
    candles = shuffled(subject.candles, subject.generator(5))
    bars = max(subject.needed, min(MOST_BARS, len(candles)))
    settings = probe_settings(subject.settings, cost_bps=0.0)
    shaken = subject.on(candles.take(slice(0, bars)), settings).computable()
    network, environment = short_training(shaken)
    rollout = environment.rollout(network, shaken.dataset.splits.validation)
    net = rollout.net.mean(axis=0)
    mean, error = float(net.mean()), float(net.std()) / math.sqrt(len(net))
    said = f"{BPS * mean:+.3f} ± {BPS * error:.3f} bps a bar"
    looked_at = (
        f"{UPDATES} updates with {', '.join(shaken.settings.features)} on {bars:,} shuffled bars "
        f"without cost, then the greedy policy on the {len(net):,} of the validation part: {said}"
    )
    if mean <= STANDARD_ERRORS * error:
        return Check(NAME, looked_at)
    finding = subject.finding(
        "features, scaler or environment",
        f"a market that cannot be foretold was: {said}, {mean / error:.0f} standard errors",
        "Look at the other checks for the part that reads ahead; the gain means that a feature "
        "knows a later bar or that a decision earns a bar it has already seen",
    )
    return Check(NAME, looked_at, (finding,))


def shuffled(candles: Candles, generator: np.random.Generator) -> Candles:
    """Hole-free candles of the same bars in another order, without drift."""
    log_close = np.log(candles.close)
    jump = np.log(candles.open) - np.concatenate([log_close[:1], log_close[:-1]])
    jump[np.diff(candles.segment_ids, prepend=-1) != 0] = 0.0
    body = log_close - np.log(candles.open)
    jump -= (jump + body).mean()
    order = generator.permutation(len(candles))
    jump, body = jump[order], body[order]
    close = np.log(candles.close[0]) + np.cumsum(jump + body)
    open_ = np.exp(close - body)
    shape = [open_ * (getattr(candles, name) / candles.open)[order] for name in ("high", "low")]
    values = [open_, *shape, np.exp(close), candles.volume[order]]
    time = candles.time[0] + candles.step * np.arange(len(candles), dtype=np.int64)
    return Candles.of(
        candles.symbol, candles.interval, time, values,
        source=f"{candles.source}, shuffled", synthetic=True,
    )  # fmt: skip
