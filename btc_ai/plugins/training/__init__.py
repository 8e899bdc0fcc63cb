"""The training plugin."""

import sys
from collections.abc import Sequence

from btc_ai.api import hookimpl
from btc_ai.api.messages import Event
from btc_ai.api.service import Context, Service
from btc_ai.plugins.training.messages import (
    Diverged,
    EpisodeEnded,
    MemoryChanged,
    RunView,
    TwinEpisodeEnded,
)
from btc_ai.plugins.training.service import TrainingService


@hookimpl
def btc_ai_service(context: Context) -> Service:
    """The service that answers the `training.` commands and works through the runs."""
    return TrainingService(context)


@hookimpl
def btc_ai_messages() -> Sequence[type[Event]]:
    """The events that it publishes."""
    return (
        Diverged,
        EpisodeEnded,
        MemoryChanged,
        RunView,
        TwinEpisodeEnded,
    )


plugin = sys.modules[__name__]
