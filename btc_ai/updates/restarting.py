"""Starts the daemon of a release-slot installation anew: by systemd, or by its own commands."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from btc_ai.bus.client import daemon_listens
from btc_ai.errors import UpdateError
from btc_ai.paths import lock_file
from btc_ai.updates.layout import Layout, own_layout
from btc_ai.updates.slotctl import Controller

UNIT = "btc-ai.service"
START_LIMIT_S = 120.0
"""A daemon that is not ready by then is ended; as TimeoutStartSec in its unit."""
LIMIT_S = 200.0
"""More than a daemon takes to checkpoint what it trains, and another to start."""

COUNTED = "BTC_AI_START_COUNTED"
"""Set for a `btc-ai daemon start` that `Detached` has counted already."""

Managed = Literal["system", "user", "none"]


class Restarting(Protocol):
    """How the daemon is started anew."""

    def restart(self, *, hangs: bool = False) -> None:
        """Stop the daemon, which checkpoints its runs, and start that of the current release.

        hangs: it does not answer, and is killed. Raises UpdateError where no release starts, or the
        one on trial is not to be tried again.
        """

    def ended(self) -> bool:
        """Whether no daemon runs, and nobody starts one."""


@dataclass(frozen=True)
class Systemd:
    """Its unit runs `slotctl attempt` before each start, and restarts what dies."""

    user: bool

    def restart(self, *, hangs: bool = False) -> None:
        """`systemctl restart`; a start that fails is the controller's to count."""
        if hangs:
            self._systemctl("kill", "--signal=SIGKILL")
        self._systemctl("reset-failed")
        if not self._systemctl("restart") and self._result() == "timeout":
            raise UpdateError("it was not ready within the TimeoutStartSec of its unit")

    def ended(self) -> bool:
        """Its starts are systemd's to make, and `slotctl`'s to count."""
        return False

    def _result(self) -> str:
        return self._run("show", "--property=Result", "--value").stdout.strip()

    def _systemctl(self, *verb: str) -> bool:
        return self._run(*verb).returncode == 0

    def _run(self, *verb: str) -> "subprocess.CompletedProcess[str]":
        command = ["systemctl", *(["--user"] if self.user else []), *verb, UNIT]
        try:
            return subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=LIMIT_S
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UpdateError(f"`{' '.join(command)}`: {error}") from None


@dataclass(frozen=True)
class Detached:
    """A daemon in the background, which nothing else restarts."""

    layout: Layout
    runtime: Path
    config_file: Path | None

    def restart(self, *, hangs: bool = False) -> None:
        """Stop it, then start; a release that does not start is tried as often as it may be."""
        self._stop(hangs=hangs)
        controller, reason = Controller(self.layout.root), "it did not stay up"
        while True:
            controller.attempt(reason)
            began = time.monotonic()
            try:
                self._command("start")
                return
            except UpdateError as error:
                if daemon_listens(self.runtime):  # somebody else has started it meanwhile
                    return
                if controller.pending() is None:
                    raise
                reason = str(error)
                if time.monotonic() - began > START_LIMIT_S:  # what hangs once, hangs again
                    controller.back(reason)

    def ended(self) -> bool:
        """Whether nothing listens: it was started, and nobody does that again."""
        return not daemon_listens(self.runtime)

    def _stop(self, *, hangs: bool) -> None:
        """Have it stop; one that hangs is killed: its runs go on from their last checkpoints."""
        if not daemon_listens(self.runtime):
            return
        try:
            if not hangs:
                self._command("stop")
                return
        except UpdateError:
            pass
        with suppress(OSError, ValueError):
            pid = int(lock_file(self.runtime).read_text())
            os.kill(pid, signal.SIGKILL)
            while Path(f"/proc/{pid}/exe").exists():
                time.sleep(0.05)

    def _command(self, verb: str) -> None:
        option = ["--config", str(self.config_file)] if self.config_file else []
        command = [str(self.layout.current / "bin" / "btc-ai"), "--quiet", *option, "daemon", verb]
        environment = {**os.environ, "BTC_AI_RUNTIME_DIR": str(self.runtime), COUNTED: "1"}
        environment.pop("PYTHONPATH", None)
        try:
            done = subprocess.run(
                command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                check=False, timeout=LIMIT_S,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UpdateError(f"`btc-ai daemon {verb}` of the release: {error}") from None
        if done.returncode:
            said = done.stderr.strip().removeprefix("btc-ai: ") or "it ended without a word"
            raise UpdateError(said[-1500:])


def start_on_trial(runtime: Path, config_file: Path | None) -> str | None:
    """Start the release that is on trial, as often as it may be, or the one before it.

    Returns "", or which was given up and why; None, and nothing is done, where none is on trial
    here or its start is counted already. Raises UpdateError where no release starts.
    """
    layout, slots = own_layout()
    controller, counted = Controller(layout.root), os.environ.pop(COUNTED, None)
    trial = controller.pending() if slots and layout.desk is None and not counted else None
    if trial is None:
        return None
    since = time.time()
    Detached(layout, runtime, config_file).restart()
    if (now := controller.current()) == trial["to"]:
        return ""
    return f"{trial['to']} was given up: {controller.why_back(trial['to'], since)}. {now} runs"


def restarting(managed: Managed, layout: Layout, runtime: Path, config: Path | None) -> Restarting:
    """How the daemon is started anew where it is managed so."""
    if managed == "none":
        return Detached(layout, runtime, config)
    return Systemd(user=managed == "user")
