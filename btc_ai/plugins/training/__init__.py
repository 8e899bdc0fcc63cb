"""The training plugin."""

import sys

from btc_ai.api import hookimpl
from btc_ai.api.service import Context, Service
from btc_ai.plugins.training.service import TrainingService


@hookimpl
def btc_ai_service(context: Context) -> Service:
    """The service that answers the `training.` commands and works through the runs."""
    return TrainingService(context)


plugin = sys.modules[__name__]
