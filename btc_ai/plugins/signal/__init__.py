"""The signal plugin."""

import sys
from collections.abc import Sequence

from btc_ai.api import hookimpl
from btc_ai.api.messages import Event
from btc_ai.api.service import Context, Service
from btc_ai.plugins.signal.messages import Signal
from btc_ai.plugins.signal.service import SignalService


@hookimpl
def btc_ai_service(context: Context) -> Service:
    """The service that answers the `signal.` commands and publishes `signal`."""
    return SignalService(context)


@hookimpl
def btc_ai_messages() -> Sequence[type[Event]]:
    """The events that it publishes."""
    return (Signal,)


plugin = sys.modules[__name__]
