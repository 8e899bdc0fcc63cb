"""The study plugin."""

import sys
from collections.abc import Sequence

from btc_ai.api import hookimpl
from btc_ai.api.messages import Event
from btc_ai.api.service import Context, Service
from btc_ai.plugins.study.messages import StudyProgressed, StudyView
from btc_ai.plugins.study.service import StudyService


@hookimpl
def btc_ai_service(context: Context) -> Service:
    """The service that answers the `study.` commands."""
    return StudyService(context)


@hookimpl
def btc_ai_messages() -> Sequence[type[Event]]:
    """The events that it publishes."""
    return (
        StudyProgressed,
        StudyView,
    )


plugin = sys.modules[__name__]
