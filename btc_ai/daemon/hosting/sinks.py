"""Feeds metrics sinks with every episode's metrics, as the training service publishes them."""

from collections.abc import Sequence

from btc_ai.api.messages import Heard
from btc_ai.api.metrics import Metrics, MetricsSink
from btc_ai.daemon.hosting.context import ServiceContext

EPISODES = "training.progress"


async def feed(context: ServiceContext, sinks: Sequence[MetricsSink]) -> None:
    """Write each episode's metrics to each sink, for ever; one that fails misses that episode."""
    async for event in context.subscribe(EPISODES):
        for sink in sinks:
            try:
                await sink.write(_metrics(event))
            except (Exception, SystemExit):  # a fence: others, and episodes, go on
                context.log.error("metrics sink failed", sink=type(sink).__name__, exc_info=True)


def _metrics(event: Heard) -> Metrics:
    body = event.body
    values = {name: float(value) for name, value in body["metrics"].items() if _number(value)}
    return Metrics(
        body["run"], body["position"], body["bucket"], body["episode"], values, event.time
    )


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
