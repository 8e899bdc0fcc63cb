"""The transfer plugin."""

import sys
from collections.abc import Sequence

from btc_ai.api import hookimpl
from btc_ai.api.messages import Event
from btc_ai.api.service import Context, Service
from btc_ai.plugins.transfer.messages import Judged
from btc_ai.plugins.transfer.service import TransferService


@hookimpl
def btc_ai_service(context: Context) -> Service:
    """The service that answers the `transfer.` commands."""
    return TransferService(context)


@hookimpl
def btc_ai_messages() -> Sequence[type[Event]]:
    """The events that it publishes."""
    return (Judged,)


plugin = sys.modules[__name__]
