"""The study plugin."""

import sys

from btc_ai.api import hookimpl
from btc_ai.api.service import Context, Service
from btc_ai.plugins.study.service import StudyService


@hookimpl
def btc_ai_service(context: Context) -> Service:
    """The service that answers the `study.` commands."""
    return StudyService(context)


plugin = sys.modules[__name__]
