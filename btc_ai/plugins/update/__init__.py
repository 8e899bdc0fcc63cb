"""The update plugin."""

import sys
from collections.abc import Sequence

from btc_ai.api import hookimpl
from btc_ai.api.messages import Event
from btc_ai.api.service import Context, Service
from btc_ai.plugins.update.messages import Available, Downloading, State
from btc_ai.plugins.update.service import UpdateService


@hookimpl
def btc_ai_service(context: Context) -> Service:
    """The service that asks the update server, and answers the `update.` commands."""
    return UpdateService(context)


@hookimpl
def btc_ai_messages() -> Sequence[type[Event]]:
    """The events that it publishes."""
    return (Available, Downloading, State)


plugin = sys.modules[__name__]
