"""Bad releases: how soon the old version serves again. And what a second release costs.

`python -m benchmarks.updates`, as root: each kind of bad release is put on trial without systemd
and under a real one, with an updater and with nobody alive who installs. *Detected* is the moment
from which it is certain: the end of the last process of the bad release (which crashed, or whom
systemd ended when it was not ready or did not answer in time) or the updater's word that it goes
back, whichever is first. *Serving* is the first answer of the old version with every plugin ready.
The second release has another wheel of BTC-AI, and all dependencies, as pip fetches them.
"""

import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.second_release import second_release
from btc_ai.bus.client import Client
from btc_ai.errors import BtcAiError
from btc_ai.updates.probe import WELL
from btc_ai.updates.slotctl import Controller
from btc_ai.updates.slots import build
from tests.systemd.machine import RELEASE, reason_against
from tests.systemd.updated import ROOT, Updated, updated_service
from tests.updates.slots import Edit, Slots, in_main, own_wheel, replacing, shim

LIMIT_S = 10.0
OLD = "0.2.0"
DEADLINE_S, WATCHDOG_S = 8, 8
"""Instead of 120 s and 30 s: how long they are is no part of what is measured."""
SHORT = replacing(
    "btc_ai/updates/restarting.py", "START_LIMIT_S = 120.0", f"START_LIMIT_S = {DEADLINE_S}.0"
)
PROGRAMS = ("btc-ai-daemon", "btc_ai.daemon")
READY = "        notifier.ready()\n"
LATER = "        import os, threading; threading.Timer(1.0, lambda: {}).start()\n"
START = "    async def start(self) -> None:\n"


def _after_ready(what: str) -> dict[str, Edit]:
    return replacing("btc_ai/daemon/app.py", READY, READY + LATER.format(what))


KINDS: dict[str, Mapping[str, Edit]] = {
    "crashes at start": in_main("raise SystemExit('no')"),
    "never gets ready": in_main("__import__('time').sleep(3600)"),
    "hangs after ready": _after_ready("os.kill(os.getpid(), 19)"),
    "dies within a minute": _after_ready("os._exit(3)"),
    "a plugin does not start": replacing(
        "btc_ai/plugins/signal/service.py", START, f"{START}        raise RuntimeError('no')\n"
    ),
    "a plugin is not there": replacing(
        "DIST-INFO/entry_points.txt", "signal = btc_ai.plugins.signal:plugin\n", ""
    ),
}
BEGIN = """
import sys
from pathlib import Path
from btc_ai.updates.layout import Layout
from btc_ai.updates.slotctl import Controller
from btc_ai.updates.slots import build, staged
layout = Layout(Path(sys.argv[1]))
build(layout, staged(layout, sys.argv[2]))
Controller(layout.root).begin(sys.argv[2], ["evaluation", "signal", "study", "training"])
"""


@dataclass
class Watch:
    """Looks from outside, 20 times a second, at the daemons of a runtime folder."""

    runtime: Path
    controller: Controller
    bad: str
    ends: list[float] = field(default_factory=list)
    served: float | None = None
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def looking(self) -> Iterator[None]:
        """In a thread, until the end of the block."""
        threads = [threading.Thread(target=one) for one in (self._processes, self._answers)]
        for one in threads:
            one.start()
        try:
            yield
        finally:
            self._over.set()
            for one in threads:
                one.join()

    def wait(self, limit_s: float = 120) -> None:
        """Until the old version serves, after the bad release was gone back from."""
        end = time.monotonic() + limit_s
        while self.served is None and time.monotonic() < end:
            time.sleep(0.05)

    def decided(self) -> float | None:
        """When it was written down that the release was gone back from."""
        found = [one for one in self.controller.history() if one["from"] == self.bad]
        return next((float(one["time"]) for one in found if one["what"] == "gone back"), None)

    def _processes(self) -> None:
        running: set[int] = set()
        while not self._over.wait(0.05):
            now = _daemons(self.bad)
            if running - now:
                self.ends.append(time.time())
            running = now

    def _answers(self) -> None:
        while not self._over.wait(0.05):
            if self.served is None and self.decided() is not None and self._serves():
                self.served = time.time()

    def _serves(self) -> bool:
        with suppress(BtcAiError), Client(self.runtime, timeout=0.5) as client:
            status = client.call("daemon.status")
            enabled = [one["state"] for one in status["plugins"] if one["state"] != "disabled"]
            return status["version"] != self.bad and all(one in WELL for one in enabled)
        return False


def _daemons(version: str) -> set[int]:
    """The daemons, not their children, that run from the slot of a version."""
    found = set()
    for folder in Path("/proc").iterdir():
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            is_daemon = any(one.rpartition("/")[2] in PROGRAMS for one in words)
            if f"/releases/{version}/" in words[0] and is_daemon:
                found.add(int(folder.name))
    return found


def row(kind: str, how: str, watch: Watch) -> bool:
    """Print a row; False where the limit was missed."""
    decided = watch.decided()
    if decided is None or watch.served is None:
        print(f"| {kind} | {how} | not gone back from | | |", flush=True)
        return False
    signs = [*(one for one in watch.ends if one < decided), decided]
    detected = max(signs[:-1], default=decided)
    back, since_first = watch.served - detected, watch.served - signs[0]
    print(f"| {kind} | {how} | {len(signs) - 1} | {back:.1f} | {since_first:.1f} |", flush=True)
    return back <= LIMIT_S


def refused(kind: str, how: str) -> bool:
    """Print the row of a release that is not even tried."""
    print(f"| {kind} | {how} | refused before the restart | 0.0 | 0.0 |", flush=True)
    return True


def without_systemd(wheel: Path, folder: Path) -> bool:
    """Put each kind on trial by a detached updater."""
    slots, reached = Slots(folder / "root", folder / "run", wheel, shim(folder)), True
    try:
        build(slots.layout, slots.stage(OLD, SHORT))
        slots.controller.flip(OLD)
        slots.command("daemon", "start")
        for number, (kind, edits) in enumerate(KINDS.items()):
            slots.stage(version := f"0.3.{number}", {**SHORT, **edits})
            watch = Watch(slots.runtime, slots.controller, version)
            with watch.looking():
                tried = slots.apply(version, watch_s=6.0).outcome == "back"
                watch.wait(20 if tried else 0)
            reached &= row(kind, "no systemd", watch) if tried else refused(kind, "no systemd")
    finally:
        slots.close()
    return reached


def under_systemd(updated: Updated, *, updater: bool) -> bool:
    """Put each kind on trial in a machine: by the updater's unit, or by its starts alone."""
    reached, machine = True, updated.machine
    how = "systemd" if updater else "systemd, no updater"
    controller = Controller(updated.outside.root)
    for number, (kind, edits) in enumerate(KINDS.items()):
        version = f"0.{3 if updater else 4}.{number}"
        updated.stage(version, edits)
        updated.lend_uv(ROOT / "current")
        watch = Watch(machine.root / "run/btc-ai", controller, version)
        with watch.looking():
            if updater:
                tried = updated.end(updated.begin(version, watch_s=6.0)).outcome == "back"
            else:
                tried = True
                python = str(RELEASE / "bin/python")
                machine.run(python, "-I", "-c", BEGIN, str(ROOT), version)
                machine.run("systemctl", "reset-failed", "btc-ai")
                machine.run("systemctl", "restart", "btc-ai", code=None)
            watch.wait(120 if tried else 0)
        reached &= row(kind, how, watch) if tried else refused(kind, how)
    return reached


def bad_releases(wheel: Path, folder: Path) -> bool:
    """Print a row for each kind and way; False where a limit was missed."""
    print("| release | installed by | failed starts | s from detection | s from the first sign |")
    print("|---|---|---|---|---|")
    reached = without_systemd(wheel, folder)
    if reason := reason_against():
        print(f"\nNot measured under systemd: {reason}")
        return False
    with updated_service(wheel.parent) as updated:
        drop_in = updated.machine.root / "etc/systemd/system/btc-ai.service.d/z.conf"
        drop_in.write_text(
            f"[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestartSec=2\n"
            f"TimeoutStartSec={DEADLINE_S}\nWatchdogSec={WATCHDOG_S}\n"
        )
        updated.machine.run("systemctl", "daemon-reload")
        updated.machine.run("systemctl", "restart", "btc-ai")
        reached &= under_systemd(updated, updater=True)
        reached &= under_systemd(updated, updater=False)
    print(f"\nThe limit is {LIMIT_S:g} s from detection; the first sign is the first failed start.")
    return reached


def main() -> int:
    """Measure; exit status 1 where a limit was missed."""
    with tempfile.TemporaryDirectory(prefix="btc-ai-u-", dir="/tmp") as name:
        folder = Path(name)
        (folder / "wheels").mkdir()
        reached = bad_releases(own_wheel(folder / "wheels"), folder)
        print()
        reached &= second_release(folder / "second")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
