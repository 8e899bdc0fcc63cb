"""Every hook a plugin may implement. Hooks declare, quickly; all work happens in the Service."""

from typing import TYPE_CHECKING

import pluggy

from btc_ai.api.service import Context, Service

if TYPE_CHECKING:
    from btc_ai.api.executor import ExecutorRegistry
    from btc_ai.api.features import FeatureRegistry

hookspec = pluggy.HookspecMarker("btc_ai")


@hookspec
def btc_ai_service(context: Context) -> Service | None:
    """Make the plugin's service. Called once, in the daemon, before any service starts."""


@hookspec
def btc_ai_features(registry: "FeatureRegistry") -> None:
    """Add features to the registry. Called in each worker process, before candles are read.

    Their names stand in the manifest too, so that a configuration which uses them can be checked
    without importing the plugin.
    """


@hookspec
def btc_ai_executors(registry: "ExecutorRegistry") -> None:
    """Add executors to the registry. Called in a worker process, before a study runs.

    Their names stand in the manifest too, so that a command which names one can be checked without
    importing the plugin.
    """
