"""Has a report made of each run that ends, in a process of its own.

A run that is seen under way is owed a report: an empty file `.RUN.owed` in the folder of reports
says so until it is made, so that a restart in between loses none, and old runs get none.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from btc_ai.api.errors import BtcAiError
from btc_ai.api.messages import Heard
from btc_ai.api.service import Context
from btc_ai.api.threads import in_thread
from btc_ai.config import Config
from btc_ai.errors import HistoryError
from btc_ai.history.queries import History
from btc_ai.paths import reports_dir
from btc_ai.plugins.monitoring.messages import Report

STEP: Final = "btc_ai.reports.step:report_step"
ENDED: Final = ("done", "failed")
OWED: Final = ".owed"
LOOK_S: Final = 0.2

News = tuple[str, str] | None
"""A run and its state; None: look at all runs that are owed a report."""


class Reports:
    """Keeps book of what is owed, and makes one report after the other."""

    def __init__(self, context: Context, settled: Callable[[], bool]) -> None:
        """settled: whether the history holds all that was heard."""
        self._context, self._settled = context, settled
        self._folder = reports_dir(context.config.MODELS_DIR)
        self._news: asyncio.Queue[News] = asyncio.Queue()

    def note(self, event: Heard) -> None:
        """Hear of a run."""
        if event.kind == "training.run":
            self._news.put_nowait((event.body["run"], event.body["state"]))

    def look(self) -> None:
        """Make up for what is owed since before the last restart."""
        self._news.put_nowait(None)

    async def run(self) -> None:
        """Make reports, for ever."""
        while True:
            news = await self._news.get()
            if news is None:
                await self._make_up()
            elif news[1] not in ENDED:
                if self._wanted():
                    await in_thread(partial(self._owe, news[0]))
            elif await in_thread(self._owed(news[0]).exists):
                await self._pay(news[0])

    async def _make_up(self) -> None:
        for run in await in_thread(self._all_owed):
            await self._wait()
            if await in_thread(partial(self._state, run)) in ENDED:
                await self._pay(run)

    async def _pay(self, run: str) -> None:
        """Make the report of a run, unless that has been switched off meanwhile; tell of it."""
        if self._wanted():
            await self._wait()
            self._context.publish(await self._make(run))
        await in_thread(partial(self._forgive, run))

    async def _make(self, run: str) -> Report:
        worker = self._context.worker("report")
        arguments: dict[str, Any] = {
            "run": run, "config": self._context.config.model_dump(mode="json")
        }  # fmt: skip
        try:
            made = await worker.run(STEP, arguments, lambda progress: None)
        except BtcAiError as error:
            self._context.log.warning("no report could be made", run=run, reason=str(error))
            return Report(run=run, path=None, error=str(error))
        finally:
            await worker.close()
        self._context.log.info("report made", run=run, path=made["path"])
        return Report(run=run, path=made["path"], error=None)

    async def _wait(self) -> None:
        """Until the history has the end of the run."""
        while not self._settled():
            await asyncio.sleep(LOOK_S)

    def _wanted(self) -> bool:
        return self._config().MONITORING.GENERATE_REPORTS

    def _config(self) -> Config:
        try:
            return self._context.read_config()
        except BtcAiError:
            return self._context.config

    def _state(self, run: str) -> str | None:
        """The state of a run in the history; None where that cannot be told."""
        with suppress(HistoryError), History.open(self._context.config) as history:
            return history.run(run).state
        return None

    def _owe(self, run: str) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._owed(run).touch()
        except OSError as error:
            self._context.log.warning("reports cannot be kept", reason=str(error))

    def _forgive(self, run: str) -> None:
        with suppress(OSError):
            self._owed(run).unlink()

    def _all_owed(self) -> list[str]:
        return [one.name[1 : -len(OWED)] for one in self._folder.glob(f".*{OWED}")]

    def _owed(self, run: str) -> Path:
        return self._folder / f".{run}{OWED}"
