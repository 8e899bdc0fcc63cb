"""The update service: takes commands, and keeps the program current where it is to."""

import random
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Literal

from btc_ai import __version__
from btc_ai.api.errors import UpdateError
from btc_ai.api.service import Body, Call, Command, Context
from btc_ai.plugins.update.asking import Asking
from btc_ai.plugins.update.following import Following
from btc_ai.plugins.update.keeping import TICK_S, Keeping
from btc_ai.plugins.update.messages import (
    CheckBody,
    HistoryBody,
    State,
    StatusBody,
    VersionBody,
    shortened,
)
from btc_ai.plugins.update.schedule import Schedule
from btc_ai.updates.asking import LOOK_S
from btc_ai.updates.back import end_trial, to_go_back_to
from btc_ai.updates.handover import require_idle
from btc_ai.updates.kinds import require_slots
from btc_ai.updates.layout import Layout, own_layout
from btc_ai.updates.order import HAND
from btc_ai.updates.slotctl import Controller
from btc_ai.updates.status import available, status

CHECK_LIMIT_S = LOOK_S + 10.0


class UpdateService:
    """Answers the `update.` commands; asks the server as UPDATE_SYSTEM has it."""

    def __init__(
        self, context: Context, *, layout: Layout | None = None,
        clock: Callable[[], float] = time.time, draw: float | None = None, tick_s: float = TICK_S,
    ) -> None:  # fmt: skip
        """Over its context. layout: this installation's, unless told; draw: in [0, 1), jitter."""
        self._context, self._clock = context, clock
        self._layout = layout or own_layout()[0]
        schedule = Schedule(clock(), random.random() if draw is None else draw)
        self._asking = Asking(context, self._layout)
        self._keeping = Keeping(context, self._layout, self._asking, schedule, clock, tick_s)
        self._following = Following(context, self._layout, clock)

    def commands(self) -> Sequence[Command]:
        """The rows of the dispatch table."""
        return (
            Command("update.check", CheckBody, self._check, CHECK_LIMIT_S),
            Command("update.status", StatusBody, self._status, role="viewer"),
            Command("update.download", VersionBody, self._download),
            Command("update.install", VersionBody, self._install),
            Command("update.rollback", VersionBody, self._rollback),
            Command("update.history", HistoryBody, self._history, role="viewer"),
        )

    async def start(self) -> None:
        """Begin; the server is asked later."""
        self._context.spawn("keep", self._keeping.run())
        self._context.spawn("follow", self._following.run())

    async def stop(self) -> None:
        """Nothing is left to end: an installation goes on, a download is taken up again."""

    def status(self) -> Body:
        """What is there, and what to do about it."""
        offer = available(self._layout)
        return {
            "available": offer.version if offer else None,
            "todo": self._keeping.todo() if offer else "",
            "trouble": self._keeping.trouble,
        }

    async def _check(self, body: CheckBody, call: Call) -> Body:
        settings = self._keeping.settings()
        self._asking.require_free(settings)
        offer = await self._keeping.look(settings)
        return shortened(offer.as_dict())

    async def _status(self, body: StatusBody, call: Call) -> Body:
        found = status(self._keeping.settings(), self._layout)
        newest, last = self._following.newest, found["last_check"]
        return {
            **found, **self.status(), "last_check": shortened(last) if last else None,
            "next_check": self._keeping.next_check(),
            "installation": State.of(newest).model_dump() if newest else None,
        }  # fmt: skip

    async def _download(self, body: VersionBody, call: Call) -> Body:
        self._asking.require_free(self._keeping.settings())
        self._context.spawn("download", self._work(self._fetch(body.version, call.id), call.id))
        return {"text": "it is downloaded; update.progress and update.state tell how far it is"}

    async def _install(self, body: VersionBody, call: Call) -> Body:
        require_slots()
        require_idle(self._layout)
        daemon = await self._context.call("daemon.status", {})
        if self._layout.desk is not None:
            offer = available(self._layout)
            version = body.version or (offer.version if offer else None)
            if version is None:
                raise UpdateError("nothing newer is known; ask with update.check")
            return {"text": self._keeping.hand_over(version, daemon, HAND)}
        self._asking.require_free(self._keeping.settings())
        self._following.parent = call.id
        work = self._fetch_and_install(body.version, daemon, call.id)
        self._context.spawn("install", self._work(work, call.id))
        return {"text": "it is downloaded and installed; update.state tells how far it is"}

    async def _rollback(self, body: VersionBody, call: Call) -> Body:
        require_slots()
        target = to_go_back_to(self._layout, body.version)
        if self._layout.desk is None and end_trial(self._layout, target):
            return {"text": f"{target} runs again at once"}
        require_idle(self._layout)
        daemon = await self._context.call("daemon.status", {})
        self._following.parent = call.id
        return {"text": self._keeping.hand_over(target, daemon, HAND, back=True)}

    async def _history(self, body: HistoryBody, call: Call) -> Body:
        return {"history": Controller(self._layout.root).history()[: -body.limit - 1 : -1]}

    async def _fetch_and_install(self, version: str | None, daemon: Body, parent: str) -> None:
        if found := await self._fetch(version, parent):
            self._keeping.hand_over(found, daemon, HAND)

    async def _fetch(self, version: str | None, parent: str) -> str | None:
        """The version that is here now; None: there is none newer."""
        if version is not None and self._keeping.is_here(version):
            return version
        offer = await self._asking.fetch(self._keeping.settings(), version, parent)
        if offer.version is None:
            self._say("nothing", f"{offer.current} stays: nothing newer suits", parent)
        else:
            self._say("download", f"{offer.version} is here, verified", parent, offer.version)
        return offer.version

    async def _work(self, work: Coroutine[Any, Any, object], parent: str) -> None:
        """Do what a command has begun; where it fails, say so."""
        try:
            await work
        except UpdateError as error:
            self._context.log.warning("not updated", reason=str(error))
            self._say("download", str(error), parent, outcome="failed")

    def _say(
        self, step: str, text: str, parent: str, version: str | None = None,
        outcome: Literal["failed"] | None = None,
    ) -> None:  # fmt: skip
        state = State(
            version=version, before=__version__, step=step, text=text, outcome=outcome, by=HAND
        )
        self._context.publish(state, parent_id=parent)
