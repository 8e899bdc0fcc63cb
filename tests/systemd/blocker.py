"""A plugin that tests put into the daemon: it holds the loop up, or logs."""

import sys
import time
from collections.abc import Sequence

from pydantic import BaseModel

from btc_ai.api import hookimpl
from btc_ai.api.service import Body, Call, Command, Context


class Empty(BaseModel):
    pass


class Blocker:
    def __init__(self, context: Context) -> None:
        self._log = context.log

    def commands(self) -> Sequence[Command]:
        return (
            Command("blocker.block", Empty, self._block),
            Command("blocker.log", Empty, self._log_some),
        )

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def status(self) -> Body:
        return {}

    async def _block(self, body: Empty, call: Call) -> Body:
        time.sleep(3600)
        return {}

    async def _log_some(self, body: Empty, call: Call) -> Body:
        self._log.info("quiet word")
        self._log.warning("loud\nword", where="a\nb")
        try:
            raise ValueError("as\nplanned")
        except ValueError:
            self._log.error("gone wrong", exc_info=True)
        return {}


@hookimpl
def btc_ai_service(context: Context) -> Blocker:
    return Blocker(context)


plugin = sys.modules[__name__]
