"""The plugin: its hooks."""

import sys

from pydantic import BaseModel

from btc_ai.api import hookimpl
from btc_ai.api.service import Context, Service


@hookimpl
def btc_ai_settings() -> type[BaseModel]:
    """The model of PLUGINS.mlflow.SETTINGS."""
    from btc_ai_mlflow.settings import Settings

    return Settings


@hookimpl
def btc_ai_service(context: Context) -> Service:
    """The service, which runs in a process of its own."""
    from btc_ai_mlflow.service import MlflowService

    return MlflowService(context)


plugin = sys.modules[__name__]
