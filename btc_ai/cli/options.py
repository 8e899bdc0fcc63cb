"""What options of several commands have in common."""

from enum import StrEnum
from typing import Any

from btc_ai.cli.context import Globals
from btc_ai.errors import UsageError
from btc_ai.names import BUILTIN_LEARNERS

LEARNER = "|".join((*BUILTIN_LEARNERS, "NAME"))
"""What --learner takes, in --help: a built-in one or a plugin's."""


class Kind(StrEnum):
    """`btc_ai.names.TransferKind`, as Typer takes a list of it."""

    WEIGHTS = "weights"
    FEATURES = "features"
    HORIZONS = "horizons"


def bucket_names(sequence: list[str] | None) -> list[str] | None:
    """The buckets that `--sequence` names, however often it is given; None where it is not.

    Raises UsageError where it names none.
    """
    if not sequence:
        return None
    names = [name for part in sequence for name in part.split(",") if name]
    if not names:
        raise UsageError("--sequence names no bucket; leave it out for all of them")
    return names


def require_trainable(here: Globals, body: dict[str, Any]) -> None:
    """Refuse a new run as the daemon would, before one is started for nothing.

    Raises UsageError for an unknown bucket, learner or market and for too many episodes, DataError
    where there are no candles.
    """
    from btc_ai.api.settings import bucket_settings, market_of, require_candles

    config = here.config()
    named = [*(body["sequence"] or ()), *([body["bucket"]] if body.get("bucket") else ())]
    for name in named or config.PROGRESSIVE_TRAINING.SEQUENCE:
        bucket_settings(config, name, 0, body["episodes"] or 1, body["learner"])
    require_candles(config, market_of(config, body["market"], body["symbol"], body["interval"]))
