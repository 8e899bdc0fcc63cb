"""Prediction horizons: which of them the target's horizon head minds most at the beginning.

The loss weights of the horizons start from the out-of-sample R² of the source's predictions, on
its validation part: the test part is for judging alone, also in the next bucket. R² is taken
between the source's horizons by linear interpolation in log h; beyond them it is unknown, and
the median of the others. With r = max(0, R²) and r̄ their mean over the target's horizons

    w_h = ½ + ½ · r_h / r̄      (1 for all where r̄ = 0), with mean 1

Along the run they go back to 1 in a straight line. Without the trunk the log-h head of the source
means nothing: it goes with the weights when both kinds are on, and alone the weights of the loss
are all that is carried.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, median

import numpy as np

LEAST = 0.5


def horizon_weights(
    skill: Mapping[int, float | None], horizons: Sequence[int]
) -> tuple[float, ...] | None:
    """w at the start for each of the target's horizons; None where no R² is known.

    skill: R² by the source's horizon in bars, None where unknown.
    """
    known = {h: r2 for h, r2 in sorted(skill.items()) if r2 is not None}
    if not known:
        return None
    gains = [max(0.0, _mapped(known, h)) for h in horizons]
    middle = fmean(gains)
    if middle <= 0:
        return tuple(1.0 for _ in horizons)
    return tuple(LEAST + (1 - LEAST) * gain / middle for gain in gains)


def _mapped(known: Mapping[int, float], horizon: int) -> float:
    lengths = list(known)
    if not lengths[0] <= horizon <= lengths[-1]:
        return median(known.values())
    places = [math.log(h) for h in lengths]
    return float(np.interp(math.log(horizon), places, list(known.values())))
