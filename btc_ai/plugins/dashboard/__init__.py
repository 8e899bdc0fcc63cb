"""The dashboard plugin: the dashboard as a service of the daemon."""

import sys

from btc_ai.api import hookimpl
from btc_ai.api.service import Context, Service
from btc_ai.plugins.dashboard.service import DashboardService


@hookimpl
def btc_ai_service(context: Context) -> Service:
    """The service that runs the web server."""
    return DashboardService(context)


plugin = sys.modules[__name__]
