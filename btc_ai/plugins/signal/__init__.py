"""The signal plugin."""

import sys

from btc_ai.api import hookimpl
from btc_ai.api.service import Context, Service
from btc_ai.plugins.signal.service import SignalService


@hookimpl
def btc_ai_service(context: Context) -> Service:
    """The service that answers the `signal.` commands and publishes `signal`."""
    return SignalService(context)


plugin = sys.modules[__name__]
