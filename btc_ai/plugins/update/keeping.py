"""Keeps the program current: asks as scheduled, tells of what is new, installs where it may."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from btc_ai.api.errors import BtcAiError, UpdateError
from btc_ai.api.service import Body, Context
from btc_ai.config import UpdateSystem
from btc_ai.paths import UPDATE_REQUEST, runtime_dir
from btc_ai.plugins.update.asking import Asking
from btc_ai.plugins.update.messages import Available
from btc_ai.plugins.update.schedule import NOT_WITHIN_S, Schedule
from btc_ai.updates.auto import begins_anew, closed, hindrance
from btc_ai.updates.handover import begin
from btc_ai.updates.kinds import ADVICE, kind
from btc_ai.updates.layout import Layout
from btc_ai.updates.offer import Offer
from btc_ai.updates.order import AUTO, managed_by, order_for
from btc_ai.updates.status import available, last_check
from btc_ai.updates.trust import root_of_trust

TICK_S = 2.0


class Keeping:
    """What the plugin does without being asked. `trouble`: why the server was not asked, or so."""

    def __init__(
        self, context: Context, layout: Layout, asking: Asking, schedule: Schedule,
        clock: Callable[[], float], tick_s: float,
    ) -> None:  # fmt: skip
        """clock: seconds since 1970. tick_s: how often to look whether something is due."""
        self._context, self._layout, self._asking = context, layout, asking
        self._schedule, self._clock, self._tick_s = schedule, clock, tick_s
        self._settings = context.config.UPDATE_SYSTEM
        self._read: int | None = None
        self._kind = kind()
        self._said: set[str] = set()
        self._told: str | None = None
        self._auto_after = 0.0
        self.trouble = ""

    def settings(self) -> UpdateSystem:
        """UPDATE_SYSTEM as its file is now; where that is wrong, as it was before."""
        file = self._context.config_file
        try:
            changed = file.stat().st_mtime_ns if file else 0
            if changed != self._read:
                found, self._read = self._context.read_config().UPDATE_SYSTEM, changed
                if found != self._settings:
                    self._settings, self._schedule.failures, self._auto_after = found, 0, 0.0
        except (BtcAiError, OSError) as error:
            self._context.log.debug("the configuration cannot be read", reason=str(error))
        return self._settings

    def next_check(self) -> float | None:
        """When the server is asked next, seconds since 1970; None: it is not."""
        settings, last = self._settings, last_check(self._layout)
        if not settings.ENABLED or self._untrusted(settings):
            return None
        return self._schedule.due(settings, last.checked if last else None, self._clock())

    async def run(self) -> None:
        """Look whether something is due, for ever."""
        while True:
            settings = self.settings()
            if not settings.ENABLED:
                self.trouble = ""
            else:
                await self._check(settings)
                self._tell(available(self._layout))
                await self._install_by_itself(settings)
            await asyncio.sleep(self._tick_s)

    async def look(self, settings: UpdateSystem) -> Offer:
        """Ask for the newest release. Raises UpdateError."""
        try:
            offer = await self._asking.look(settings)
        except UpdateError as error:
            self.trouble = str(error)
            raise
        self.trouble = ""
        self._schedule.answered()
        self._tell(available(self._layout))
        return offer

    def todo(self) -> str:
        """How a release that is there is installed."""
        return "`btc-ai update install`" if self._kind == "slots" else ADVICE[self._kind]

    def hand_over(self, version: str, status: Body, by: str, *, back: bool = False) -> str:
        """Have a release that is here installed. Returns what was done, in words.

        status: that of this daemon. back: as in `Order`. Raises UpdateError where it cannot be,
        with what to do.
        """
        if self._kind != "slots":
            raise UpdateError(ADVICE[self._kind])
        runtime, settings = runtime_dir(), self._settings
        if self._layout.desk is None:
            order = order_for(
                version, runtime, self._context.config_file, status,
                backup=settings.BACKUP_BEFORE_UPDATE, by=by, back=back,
            )  # fmt: skip
            begin(self._layout, order)
            return f"going back to {version}" if back else f"the installation of {version} begins"
        verb = "rollback" if back else "install"
        if managed_by(runtime, status) != "system":
            raise UpdateError(
                f"the releases in {self._layout.root} belong to another user: run "
                f"`sudo btc-ai update {verb}`"
            )
        advice = f"the service's releases belong to root: run `sudo btc-ai update {verb}`"
        if back:
            raise UpdateError(advice)
        if reason := self._against(settings, version):
            raise UpdateError(f"{advice} ({reason})")
        return self._request(version)

    async def _check(self, settings: UpdateSystem) -> None:
        """Ask the server where that is due."""
        if reason := self._untrusted(settings):
            self.trouble = reason
            self._say_once(reason)
            return
        due = self.next_check()
        if due is None or due > self._clock() or self._asking.busy:
            return
        try:
            await self.look(settings)
        except UpdateError as error:
            self._schedule.failed_at(self._clock())
            self._context.log.warning("no answer of the update server", reason=str(error))

    def _tell(self, offer: Offer | None) -> None:
        """Say once that a release is there."""
        if offer is None or offer.version == self._told:
            return
        self._told = offer.version
        self._context.log.info(f"{offer.version} is there; {self.todo()}", current=offer.current)
        self._context.publish(Available.of(offer, self.todo()))

    async def _install_by_itself(self, settings: UpdateSystem) -> None:
        """Fetch and install what is there, where AUTO_UPDATE says so, and the time has come."""
        offer = available(self._layout)
        if not settings.AUTO_UPDATE or offer is None or self._clock() < self._auto_after:
            return
        version = str(offer.version)
        try:
            if self._kind != "slots":
                self._say_once(f"AUTO_UPDATE cannot install: {ADVICE[self._kind]}")
                return
            if self._layout.desk is None and not self.is_here(version):
                await self._asking.fetch(settings, version, None)
            if reason := self._against(settings, version):
                self._say_once(f"{version} is not installed yet: {reason}")
                return
            status = await self._context.call("daemon.status", {})
            if busy := begins_anew(status["workers"]):
                self._say_once(f"{version} is installed once {', '.join(busy)} has ended")
                return
            self._context.log.info(self.hand_over(version, status, AUTO))
        except BtcAiError as error:
            self._context.log.warning("AUTO_UPDATE did not install", reason=str(error))
        self._auto_after = self._clock() + NOT_WITHIN_S

    def is_here(self, version: str) -> bool:
        """Whether a release was downloaded."""
        return (self._layout.staged / f"{version}.json").is_file()

    def _request(self, version: str) -> str:
        """Let root's own unit do it: this user may not write to the releases."""
        try:
            UPDATE_REQUEST.write_text(f"{version}\n", encoding="utf-8")
        except OSError as error:
            raise UpdateError(f"{UPDATE_REQUEST}: {error.strerror}") from None
        return f"btc-ai-autoupdate.service is asked for {version}"

    def _untrusted(self, settings: UpdateSystem) -> str:
        """Why no server can be believed; empty where one can."""
        try:
            root_of_trust(settings)
        except UpdateError as error:
            return str(error)
        return ""

    def _against(self, settings: UpdateSystem, version: str) -> str:
        """Why a release may not be installed by itself now; empty where it may."""
        now = self._clock()
        local = datetime.fromtimestamp(now)
        return closed(settings, local) or hindrance(self._layout, version, now)

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._context.log.info(text)
