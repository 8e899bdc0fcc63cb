"""The transfer plugin."""

import sys

from btc_ai.api import hookimpl
from btc_ai.api.service import Context, Service
from btc_ai.plugins.transfer.service import TransferService


@hookimpl
def btc_ai_service(context: Context) -> Service:
    """The service that answers the `transfer.` commands."""
    return TransferService(context)


plugin = sys.modules[__name__]
