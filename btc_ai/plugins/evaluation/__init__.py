"""The evaluation plugin."""

import sys

from btc_ai.api import hookimpl
from btc_ai.api.service import Context, Service
from btc_ai.plugins.evaluation.service import EvaluationService


@hookimpl
def btc_ai_service(context: Context) -> Service:
    """The service that answers the `evaluation.` commands."""
    return EvaluationService(context)


plugin = sys.modules[__name__]
