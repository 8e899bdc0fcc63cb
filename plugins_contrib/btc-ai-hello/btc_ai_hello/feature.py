"""The feature `weekday`: where in the week a bar opens."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
MONDAY_MS = 4 * DAY_MS
"""1970-01-05, the first Monday."""


def weekday(candles: Any) -> dict[str, NDArray[np.float64]]:
    """Sine and cosine of the time of the week [bars], and 1 on Saturdays and Sundays, else 0.

    `candles.time` [bars] is when each bar opens, ms since 1970, UTC. It is known in advance, so
    the feature cannot read ahead.
    """
    week = ((candles.time - MONDAY_MS) % WEEK_MS) / WEEK_MS
    return {
        "week_sin": np.sin(2 * np.pi * week),
        "week_cos": np.cos(2 * np.pi * week),
        "weekend": np.where(week >= 5 / 7, 1.0, 0.0),
    }
