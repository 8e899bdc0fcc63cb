"""The monitoring plugin."""

import sys
from collections.abc import Sequence

from btc_ai.api import hookimpl
from btc_ai.api.messages import Event
from btc_ai.api.service import Context, Service
from btc_ai.plugins.monitoring.messages import Alert, Report, Sample
from btc_ai.plugins.monitoring.service import MonitoringService


@hookimpl
def btc_ai_service(context: Context) -> Service:
    """The service that measures and writes the history."""
    return MonitoringService(context)


@hookimpl
def btc_ai_messages() -> Sequence[type[Event]]:
    """The events that it publishes."""
    return (Alert, Report, Sample)


plugin = sys.modules[__name__]
