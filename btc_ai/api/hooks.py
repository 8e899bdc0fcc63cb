"""Every hook a plugin may implement. Hooks declare, quickly; all work happens in the Service."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pluggy

from btc_ai.api.messages import Event
from btc_ai.api.metrics import MetricsSink
from btc_ai.api.panels import Panel
from btc_ai.api.service import Context, Service

if TYPE_CHECKING:
    from pydantic import BaseModel

    from btc_ai.api.executor import ExecutorRegistry
    from btc_ai.api.features import FeatureRegistry
    from btc_ai.api.learner import LearnerRegistry
    from btc_ai.api.market import MarketRegistry

hookspec = pluggy.HookspecMarker("btc_ai")


@hookspec
def btc_ai_service(context: Context) -> Service | None:
    """Make the plugin's service. Called once, before any service starts.

    In the daemon for bundled plugins, in a process of the plugin's own for others.
    """


@hookspec
def btc_ai_settings() -> "type[BaseModel]":  # type: ignore[empty-body]
    """Name the model of the plugin's settings: PLUGINS.<name>.SETTINGS of the configuration."""


@hookspec
def btc_ai_messages() -> Sequence[type[Event]]:  # type: ignore[empty-body]
    """Name the events that the plugin publishes."""


@hookspec
def btc_ai_metrics_sinks(context: Context) -> Sequence[MetricsSink]:  # type: ignore[empty-body]
    """Make sinks for the metrics of every episode. Called once, after `btc_ai_service`."""


@hookspec
def btc_ai_panels() -> Sequence[Panel]:  # type: ignore[empty-body]
    """Name the panels that the plugin adds to the dashboard."""


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
