"""The tutorial plugin: its hooks, which say what it offers."""

import sys
from collections.abc import Sequence

from pydantic import BaseModel

from btc_ai.api import hookimpl
from btc_ai.api.features import FeatureRegistry
from btc_ai.api.messages import Event
from btc_ai.api.service import Context, Service
from btc_ai_hello.service import HelloService, Said, Settings


@hookimpl
def btc_ai_settings() -> type[BaseModel]:
    """The model of PLUGINS.hello.SETTINGS."""
    return Settings


@hookimpl
def btc_ai_messages() -> Sequence[type[Event]]:
    """The events that the plugin publishes."""
    return (Said,)


@hookimpl
def btc_ai_service(context: Context) -> Service:
    """The service, which runs in a process of its own."""
    return HelloService(context)


@hookimpl
def btc_ai_features(registry: FeatureRegistry) -> None:
    """Add `weekday`; called in each worker process."""
    from btc_ai_hello.feature import weekday

    registry.register("weekday", weekday, lookback=0)


plugin = sys.modules[__name__]
