"""The service under a real systemd, run from release slots: for tests and benchmarks."""

import json
import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import uv

from btc_ai.api.testing_daemon import QUICK
from btc_ai.bus.client import Client
from btc_ai.updates.handover import OVER
from btc_ai.updates.handover import UNIT as UPDATE
from btc_ai.updates.layout import Layout
from btc_ai.updates.order import Order, Progress, read_progress
from tests.conftest import WORKER
from tests.systemd.machine import RELEASE, Machine, boot
from tests.systemd.test_service import FOLDERS
from tests.updates.slots import SHIM, Edit, stage, updaters, write_wheel

ROOT = Path("/opt/slots")
FIRST = """
import sys
from pathlib import Path
from btc_ai.updates.layout import Layout
from btc_ai.updates.slotctl import Controller
from btc_ai.updates.slots import build, staged
layout = Layout(Path(sys.argv[1]))
build(layout, staged(layout, "0.1.0"))
Controller(layout.root).flip("0.1.0")
"""


class Updated:
    """The service of a machine, run from release slots."""

    def __init__(self, machine: Machine, wheel: Path) -> None:
        self.machine, self.wheel = machine, wheel
        self.outside = Layout(machine.root / ROOT.relative_to("/"))
        self.shim = write_wheel(
            machine.root / "opt" / f"{SHIM}-1-py3-none-any.whl", {f"{SHIM}.pth": "/opt/site\n"},
            SHIM, "1",
        )  # fmt: skip
        shutil.copy(uv.find_uv_bin(), machine.root / "opt" / "uv")

    def stage(self, version: str, edits: Mapping[str, Edit] | None = None) -> None:
        stage(self.outside, self.wheel, self.shim, version, edits)

    def lend_uv(self, prefix: Path) -> None:
        """Put uv where its package looks for it; a real release brings it along."""
        self.machine.run("ln", "-sf", "/opt/uv", f"{prefix}/bin/uv")

    def command(self, *arguments: str, code: int | None = 0) -> str:
        return self.machine.run(f"{ROOT}/current/bin/btc-ai", *arguments, code=code)

    def json(self, *arguments: str) -> Any:
        return json.loads(self.command(*arguments, "--json"))

    def begin(self, version: str, watch_s: float = 1.0) -> Order:
        """Order a release as `btc-ai update install` does."""
        order = Order(version, "/run/btc-ai", "/etc/btc-ai/btc_ai.json", "system", True, watch_s,
                      uuid.uuid4().hex)  # fmt: skip
        self.machine.run("mkdir", "-p", str(ROOT / "state"))
        (self.outside.state / "order.json").write_text(json.dumps(asdict(order)))
        self.machine.run("systemctl", "reset-failed", UPDATE)
        self.machine.run("systemctl", "start", "--no-block", UPDATE)
        return order

    def progress(self, order: Order) -> Progress | None:
        """How far that is; None where it has not begun."""
        found = read_progress(self.outside)
        return found if found is not None and found.order == order else None

    def step(self, order: Order) -> str | None:
        """The step that it is at."""
        return None if (now := self.progress(order)) is None else now.step

    def end(self, order: Order) -> Progress:
        """What came of it, once it is over and its process gone."""
        self.machine.wait_for(lambda: (now := self.progress(order)) and now.outcome)
        self.machine.wait_for(lambda: self.machine.show("ActiveState", UPDATE) in OVER)
        found = self.progress(order)
        assert found is not None
        return found

    @contextmanager
    def held(self, order: Order) -> Iterator[None]:
        """The installation, held while it tries the release on copies."""
        self.machine.wait_for(lambda: self.step(order) == "check")
        inside = {one.pid for one in self.processes()}
        [updater] = inside & set(updaters(ROOT, guards=False))
        os.kill(updater, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(updater, signal.SIGCONT)

    def processes(self) -> list[psutil.Process]:
        """Those of this machine: another may run beside it."""
        return psutil.Process(self.machine.pid).children(recursive=True)

    def workers(self) -> list[int]:
        found = []
        for one in self.processes():
            with suppress(psutil.Error):
                found += [one.pid] if WORKER in one.cmdline() else []
        return found

    def worker(self) -> int:
        """The process that trains, once there is no other: that of a run before may still end."""
        self.machine.wait_for(lambda: len(self.workers()) == 1)
        [worker] = self.workers()
        return worker

    def ask(self, kind: str) -> dict[str, Any]:
        """The daemon's answer to one command of the bus."""
        with Client(self.machine.root / "run/btc-ai") as client:
            return client.call(kind)

    def weights(self) -> str:
        """The hash of the newest run's model, once it is there."""
        self.machine.wait_for(lambda: self.ask("training.show")["state"] == "done")
        return str(self.ask("training.show")["steps"][0]["outcome"]["weights_sha256"])

    def episode(self) -> int:
        return int(self.ask("training.show")["steps"][0]["episode"])

    def version(self) -> str:
        return str(self.ask("daemon.ping")["version"])


@contextmanager
def updated_service(wheels: Path) -> Iterator[Updated]:
    """A machine whose service runs 0.1.0 from a slot, until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="btc-ai-u-", dir="/tmp") as folder:
        (Path(folder) / "root").mkdir()
        with boot(Path(folder) / "root", wheels) as machine:
            made = Updated(machine, next(wheels.glob("btc_ai-*.whl")))
            made.lend_uv(RELEASE)
            made.stage("0.1.0")
            machine.run(str(RELEASE / "bin/python"), "-I", "-c", FIRST, str(ROOT))
            config = machine.root / "etc/btc-ai/btc_ai.json"
            config.parent.mkdir(exist_ok=True)
            config.write_text(json.dumps({**QUICK, **FOLDERS}))
            drop_in = machine.root / "etc/systemd/system/btc-ai.service.d/test.conf"
            drop_in.parent.mkdir(parents=True)
            drop_in.write_text("[Service]\nRestartSec=0.2\n")
            made.command("service", "install", "--now")
            made.lend_uv(ROOT / "current")
            yield made
