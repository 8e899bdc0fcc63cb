"""Metrics sinks: where a plugin wants every episode's metrics to go."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Metrics:
    """The metrics of one episode. position: the bucket's place in the run, from 0.

    time: seconds since 1970, UTC.
    """

    run: str
    position: int
    bucket: str
    episode: int
    values: dict[str, float]
    time: float


class MetricsSink(Protocol):
    """Takes metrics, one episode after the other; a sink that raises misses that episode."""

    async def write(self, metrics: Metrics) -> None:
        """Take the metrics of an episode."""
