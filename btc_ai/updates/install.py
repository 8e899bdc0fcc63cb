"""Installs a release that was downloaded: slot, check, backup, trial, restart, watch, good or back.

Each step is on disk (`state/journal.json`) before it begins, and doing all of them again after a
crash goes on where it stopped: `btc_ai.updates.apply` runs this in a process of its own.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from btc_ai.durable import replace_durably
from btc_ai.errors import BtcAiError, UpdateError
from btc_ai.updates.checking import problems
from btc_ai.updates.layout import Layout
from btc_ai.updates.order import HAND, JOURNAL, Order, Progress, read_progress
from btc_ai.updates.probe import Expected, probe, ready_plugins, running_version
from btc_ai.updates.restarting import Restarting
from btc_ai.updates.slotctl import Controller
from btc_ai.updates.slots import build, prune, staged

SOON_S = 1.0
"""Who does not answer by then is killed when the old release is waited for."""


class Installation:
    """One installation of a release, from its first step to its outcome."""

    def __init__(
        self, layout: Layout, order: Order, restarting: Restarting,
        on_step: Callable[[Progress], None] = lambda _: None,
    ) -> None:  # fmt: skip
        """on_step: hears of each step once that is on disk, and before it begins."""
        self._layout, self._order, self._restarting = layout, order, restarting
        self._on_step = on_step
        self._controller = Controller(layout.root)
        self._runtime = Path(order.runtime)
        self._config = Path(order.config_file) if order.config_file else None
        known = read_progress(layout)
        resumed = known is not None and known.order == order and known.outcome is None
        self._before = known.before if known and resumed else self._controller.current()
        self._plugins = known.plugins if known and resumed else ready_plugins(self._runtime)
        """Ready before the update; None: no daemon ran."""

    def run(self) -> None:
        """Do it. Raises UpdateError where the release was not installed; an older one runs then."""
        try:
            if self._order.back:
                self._go_back()
                return
            if not self._on_trial():
                self._prepare()
            self._try()
        except BtcAiError as error:
            self._end(str(error))
            raise
        except OSError as error:
            where = error.filename or self._layout.root
            self._end(text := f"{where}: {error.strerror}; mend that, and try again")
            raise UpdateError(text) from None

    def _go_back(self) -> None:
        version = self._order.version
        if self._controller.current() != version:
            self._check()
            self._step("flip", f"making {version} current again")
            self._controller.flip(version)
        if running_version(self._runtime) not in (None, version):
            self._step("restart", f"restarting the daemon with {version}")
            self._restarting.restart()
        self._step("end", f"{version} is current again", "good")

    def _check(self) -> None:
        version = self._order.version
        self._step("check", f"trying {version} on copies of what is stored")
        found = problems(
            self._layout, version, self._config, self._plugins or (), backup=self._order.backup
        )
        if found:
            verb = "would not work here" if self._order.back else "was not installed"
            raise UpdateError("\n  ".join([f"{version} {verb}; nothing changed:", *found]))

    def _on_trial(self) -> bool:
        pending = self._controller.pending()
        if pending is not None and pending["to"] == self._order.version:
            return bool(self._controller.current() == pending["to"])
        if pending is not None:
            raise UpdateError(
                f"the update to {pending['to']} is still on trial; wait until it is over "
                "(`btc-ai update status`)"
            )
        return False

    def _prepare(self) -> None:
        version = self._order.version
        if (bad := self._controller.bad().get(version)) and self._order.by != HAND:
            raise UpdateError(f"{version} was tried before and given up: {bad['reason']}")
        if self._controller.current() == version:
            raise UpdateError(f"{version} is installed already")
        self._step("build", f"making the release slot of {version}")
        build(self._layout, staged(self._layout, version))
        self._check()
        self._step("trial", f"making {version} current, on trial")
        self._controller.forget_bad(version)
        self._controller.begin(version, self._plugins or ())

    def _try(self) -> None:
        version = self._order.version
        if self._plugins is None:
            self._step(
                "end", f"{version} is current; it is on trial once the daemon starts", "good"
            )
            return
        reason = self._restart_and_watch()
        if not reason:
            self._controller.good(version)
            self._step("end", f"{version} is good", "good")
            with suppress(OSError, UpdateError):
                prune(self._layout)
            return
        self._step("back", f"going back from {version}: {reason}")
        self._controller.back(reason)
        running = running_version(self._runtime, limit_s=SOON_S)
        if running != self._controller.current():
            self._restarting.restart(hangs=running is None)
        raise UpdateError(f"{version} was given up: {reason}. {self._before} runs again")

    def _restart_and_watch(self) -> str:
        """Why the release does not do; "" where it does."""
        version, since = self._order.version, time.time()
        if running_version(self._runtime) != version:
            self._step("restart", f"restarting the daemon with {version}")
            try:
                self._restarting.restart()
            except UpdateError as error:
                return str(error)
        if self._went_back():
            return self._controller.why_back(version, since) or (
                f"it did not start, and why could not be written to {self._layout.state}; "
                "is the disk full?"
            )
        self._step("watch", f"waiting for {version} to be ready")
        reason = probe(
            self._runtime, Expected(version, self._plugins or ()), stable_s=self._order.watch_s,
            told=lambda text: self._step("watch", text), over=self._went_back,
            ended=self._restarting.ended,
        )  # fmt: skip
        if self._went_back():
            return self._controller.why_back(version, since) or reason
        return reason and f"{reason} ({time.time() - since:.0f} s after the restart)"

    def _went_back(self) -> bool:
        """Whether the starts of the release were counted, and none is left."""
        return self._controller.current() != self._order.version

    def _end(self, why: str) -> None:
        """It did not succeed; where the release is still on trial, that goes on."""
        if self._controller.pending() is None:
            was_tried = self._order.version in self._controller.bad()
            self._step("end", why, "back" if was_tried else "failed")

    def _step(self, step: str, text: str, outcome: str | None = None) -> None:
        progress = Progress(
            self._order, step, text, time.time(), self._before, self._plugins, outcome
        )
        path = self._layout.state / JOURNAL
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_durably(path, progress.encode())
        except OSError:
            with suppress(OSError):  # a full disk: over what is there, which takes no more of it
                path.write_bytes(progress.encode())
        self._on_step(progress)
