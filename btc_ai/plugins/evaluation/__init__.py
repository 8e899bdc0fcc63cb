"""The evaluation plugin."""

import sys
from collections.abc import Sequence

from btc_ai.api import hookimpl
from btc_ai.api.messages import Event
from btc_ai.api.service import Context, Service
from btc_ai.plugins.evaluation.messages import JobView, PartProgress
from btc_ai.plugins.evaluation.service import EvaluationService


@hookimpl
def btc_ai_service(context: Context) -> Service:
    """The service that answers the `evaluation.` commands."""
    return EvaluationService(context)


@hookimpl
def btc_ai_messages() -> Sequence[type[Event]]:
    """The events that it publishes."""
    return (
        JobView,
        PartProgress,
    )


plugin = sys.modules[__name__]
