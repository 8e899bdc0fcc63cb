"""What the configuration says of a bucket and of a market, as a worker reads it."""

import hashlib
import math
import re
from datetime import UTC, datetime
from typing import Any

from btc_ai.api.discovery import known_learners, unknown
from btc_ai.config import INTERVAL_PATTERN, SAMPLE_SYMBOL, SYMBOL_PATTERN, Config, nearest
from btc_ai.errors import DataError, UsageError
from btc_ai.paths import candle_file

Body = dict[str, Any]

TRAIN_SHARE = 0.70
VALIDATION_SHARE = 0.15
WINDOW = 32
LEAST_EVALUATED_DECISIONS = 4


def least_candles(
    min_horizon: int, max_horizon: int, lookback: int = 0, window: int = WINDOW
) -> int:
    """How many candles without a hole a bucket needs at least.

    lookback: bars that its features look back. window: decisions of a training window.
    """
    purge = max_horizon + 1
    train = lookback + min_horizon * window + 2 + purge
    evaluated = LEAST_EVALUATED_DECISIONS * min_horizon + 2 + purge
    return max(math.ceil(train / TRAIN_SHARE), math.ceil(evaluated / VALIDATION_SHARE)) + 1


def bucket_settings(
    config: Config, bucket: str, seed: int, episodes: int, learner: str | None = None
) -> Body:
    """What `btc_ai.learning.settings.TrainingSettings.from_json` takes.

    learner: the one asked for, None for the configuration's.

    Raises UsageError for a bucket or a learner that there is not, and for more than MAX_EPISODES.
    """
    require_bucket(config, bucket)
    require_learner(learner or config.LEARNER)
    if episodes > config.MAX_EPISODES:
        raise UsageError(
            f"{episodes} episodes are more than MAX_EPISODES ({config.MAX_EPISODES}); ask for "
            "fewer, or raise MAX_EPISODES in the configuration"
        )
    section = config.BUCKET_CONFIGS[bucket]
    return {
        "bucket": bucket,
        "min_horizon": section.MIN_HORIZON,
        "max_horizon": section.MAX_HORIZON,
        "features": section.FEATURES,
        "learner": learner or config.LEARNER,
        "learning_rate": config.LEARNING_RATE,
        "gamma": config.GAMMA,
        "batch_size": config.BATCH_SIZE,
        "buffer_size": config.BUFFER_SIZE,
        "cost_bps": config.COST_BPS,
        "use_gpu": config.USE_GPU,
        "episodes": episodes,
        "seed": _bucket_seed(seed, bucket),
        "threads": 1,
    }


def require_bucket(config: Config, name: str) -> None:
    """Raise UsageError for a bucket that there is not, with the one that was meant."""
    known = config.BUCKET_CONFIGS
    if name not in known:
        hint = nearest(name, known)
        raise UsageError(f"unknown bucket {name!r}{hint}; known are {', '.join(known)}")


def require_learner(name: str) -> None:
    """Raise UsageError for a learner that there is not, with what is missing."""
    known = known_learners()
    if name not in known:
        raise UsageError(f"unknown learner: {unknown('learners', name, known)}")


def _bucket_seed(seed: int, bucket: str) -> int:
    """A seed of its own for each bucket, whatever its place in the sequence."""
    digest = hashlib.sha256(f"{seed}/{bucket}".encode()).digest()
    return int.from_bytes(digest[:7], "big")


def market_of(config: Config, market: str | None, symbol: str | None, interval: str | None) -> Body:
    """`market` (None: stored candles), `symbol` and `interval`; what is not given is configured.

    Raises UsageError for what there is not, and for what excludes each other.
    """
    if market not in (None, "sample"):
        raise UsageError(
            f"unknown market {market!r}; known is: sample. For candles of your own, leave "
            "--market out and use --symbol and --interval"
        )
    if symbol is not None and not re.fullmatch(SYMBOL_PATTERN, symbol):
        raise UsageError(f"--symbol {symbol[:60]!r} is no market such as BTC/USDT")
    if market and symbol not in (None, SAMPLE_SYMBOL):
        raise UsageError("--market and --symbol exclude each other; give one of them")
    if interval is not None and not re.fullmatch(INTERVAL_PATTERN, interval):
        raise UsageError(f"--interval {interval!r} is no interval such as 5m, 1h or 1d")
    return {
        "market": market,
        "symbol": SAMPLE_SYMBOL if market else (symbol or config.SYMBOL),
        "interval": interval or ("5m" if market else config.INTERVAL),
    }


def require_candles(config: Config, market: Body) -> None:
    """Raise DataError where the candles of `market_of` are not there."""
    if market["market"] is None:
        path = candle_file(config.DATA_DIR, market["symbol"], market["interval"])
        if not path.is_file():
            raise DataError(
                f"there are no candles of {market['symbol']} {market['interval']}: {path} is "
                "missing. Get them with `btc-ai data import` or `btc-ai data download`, or take "
                "the built-in sample market, which needs no data: --market sample"
            )


def milliseconds(option: str, text: str | None) -> int | None:
    """Ms since 1970 of a date or time of ISO 8601, UTC where it has no zone; raises UsageError."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{option} {text[:60]!r} is no date or time such as 2023-06-01 or 2023-06-01T12:00"
        ) from None
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1000)
