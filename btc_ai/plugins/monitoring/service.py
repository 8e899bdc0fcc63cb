"""The monitoring service: measures the system, and writes what the bus tells into the history."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import pynvml

from btc_ai.api.errors import BtcAiError
from btc_ai.api.messages import Heard
from btc_ai.api.service import Body, Call, Command, Context
from btc_ai.api.threads import in_thread
from btc_ai.history.prometheus import Snapshot, metrics_registry
from btc_ai.history.queries import History
from btc_ai.history.writer import Backfill, Writer, WriterStatus
from btc_ai.plugins.monitoring.endpoint import Endpoint
from btc_ai.plugins.monitoring.messages import (
    Alert,
    CurvesBody,
    EventsBody,
    StatusBody,
    SystemBody,
)
from btc_ai.plugins.monitoring.reports import Reports
from btc_ai.plugins.monitoring.sampler import Sampler

LOOK_S = 0.2
"""How often to look whether the database has taken what waits."""
BACKFILLS = (500, 100, 20, 5)
"""How many of the newest runs are read anew: as many as an answer has room for."""

T = TypeVar("T")


class MonitoringService:
    """Measures and records; answers the `monitoring.` commands."""

    def __init__(self, context: Context, nvml: Any = pynvml) -> None:
        """Over its context. nvml: the module that reads GPUs."""
        self._context, self._config = context, context.config
        self._writer = Writer(context.config, context.log, on_change=self._writer_changed)
        self._sampler = Sampler(context, nvml)
        self._reports = Reports(context, lambda: self._writer.settled)
        self._episodes: dict[tuple[str, int], Body] = {}
        self._endpoint: Endpoint | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def commands(self) -> Sequence[Command]:
        """The rows of the dispatch table."""
        return (
            Command("monitoring.status", StatusBody, self._status, role="viewer"),
            Command("monitoring.curves", CurvesBody, self._curves, role="viewer"),
            Command("monitoring.system", SystemBody, self._system, role="viewer"),
            Command("monitoring.events", EventsBody, self._events, role="viewer"),
        )

    async def start(self) -> None:
        """Begin; whether the database is there is found out later."""
        self._loop = asyncio.get_running_loop()
        if port := self._config.MONITORING.METRICS_PORT:
            self._endpoint = Endpoint(metrics_registry(self.snapshot), port)
        self._writer.start()
        self._context.spawn("record", self._record())
        self._context.spawn("sample", self._sampler.run())
        self._context.spawn("report", self._reports.run())

    async def stop(self) -> None:
        """Write what waits, where the database takes it."""
        if self._endpoint is not None:
            await in_thread(self._endpoint.close)
        await in_thread(self._writer.close)

    def status(self) -> Body:
        """How the history is written, and what the newest sample says of GPUs."""
        sample = self._sampler.newest
        return {
            "history": asdict(self._writer.status),
            "metrics_port": self._endpoint.port if self._endpoint else None,
            "gpu_state": sample.gpu_state if sample else None,
            "gpu_detail": sample.gpu_detail if sample else "",
        }

    def snapshot(self) -> Snapshot:
        """What Prometheus is told."""
        sample = self._sampler.newest
        return Snapshot(
            sample.model_dump() if sample else None,
            asdict(self._writer.status),
            list(self._episodes.values()),
        )

    async def _record(self) -> None:
        """Hand every event to the writer; where it is full, go on from where it has come to."""
        while True:
            while not self._writer.settled:
                await asyncio.sleep(LOOK_S)
            await self._backfill()
            async for event in self._context.subscribe("*", after=self._writer.position):
                self._note(event)
                self._reports.note(event)
                if event.lost:
                    self._context.log.warning(
                        "events are lost; reading folders", source=event.source, lost=event.lost
                    )
                    await self._backfill()
                if not self._writer.put(event):
                    break

    async def _backfill(self) -> None:
        """Let the newest runs be read from their folders, as far as the tables lack them."""
        for limit in BACKFILLS:
            try:
                found = await self._context.call("training.runs", {"limit": limit})
            except BtcAiError as error:
                self._context.log.debug("runs are not known", limit=limit, reason=str(error))
                continue
            for view in reversed(found["runs"]):
                self._writer.put(Backfill(view))
            self._reports.look()
            return

    def _note(self, event: Heard) -> None:
        """Keep the newest episode of each bucket of the runs that are in training."""
        body = event.body
        if event.kind == "training.progress":
            self._episodes[body["run"], body["position"]] = body
        elif event.kind == "training.run" and body["state"] != "running":
            kept = {key: one for key, one in self._episodes.items() if key[0] != body["run"]}
            self._episodes = kept

    def _writer_changed(self, status: WriterStatus) -> None:
        """From the writer's thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell, status)

    def _tell(self, status: WriterStatus) -> None:
        level, text = "ok", f"the history is written again; {status.waiting} wait"
        if status.degraded:
            level, text = "warning", f"the history cannot be written: {status.degraded}"
        alert = {"what": "history", "level": level, "device": "history", "text": text}
        self._context.publish(Alert.model_validate(alert))

    async def _status(self, body: StatusBody, call: Call) -> Body:
        sample = self._sampler.newest
        return {**self.status(), "sample": sample.model_dump() if sample else None}

    async def _curves(self, body: CurvesBody, call: Call) -> Body:
        asked = body.model_dump(exclude={"run", "position", "names"})
        found = await self._ask(
            lambda history: history.curves(body.run, body.position, body.names, **asked)
        )
        return {"curves": [asdict(one) for one in found]}

    async def _system(self, body: SystemBody, call: Call) -> Body:
        found = await self._ask(
            lambda history: history.system(
                body.start, body.end, names=body.names, max_points=body.max_points
            )
        )
        return {"series": [asdict(one) for one in found]}

    async def _events(self, body: EventsBody, call: Call) -> Body:
        found = await self._ask(lambda history: history.events(**body.model_dump()))
        return {"events": [asdict(one) for one in found]}

    async def _ask(self, question: Callable[[History], T]) -> T:
        """The answer to a question to the history, from a thread."""

        def answer() -> T:
            with History.open(self._config) as history:
                return question(history)

        return await in_thread(answer)
