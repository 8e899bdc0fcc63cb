"""Every hook a plugin may implement. Hooks declare, quickly; all work happens in the Service."""

from typing import TYPE_CHECKING

import pluggy

from btc_ai.api.service import Context, Service

if TYPE_CHECKING:
    from btc_ai.api.executor import ExecutorRegistry
    from btc_ai.api.features import FeatureRegistry
    from btc_ai.api.learner import LearnerRegistry
    from btc_ai.api.market import MarketRegistry

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


@hookspec
def btc_ai_learners(registry: "LearnerRegistry") -> None:
    """Add learners to the registry. Called in each process that trains with one of them.

    Their names stand in the manifest too, so that LEARNER can be checked without importing the
    plugin.
    """


@hookspec
def btc_ai_markets(registry: "MarketRegistry") -> None:
    """Add sources of candles to the registry. Called by `btc-ai data download --source`.

    Their names stand in the manifest too: a plugin is imported where one of its own is asked for.
    """
