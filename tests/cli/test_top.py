"""`btc-ai top`: one frame in a pipe, JSON, a live screen on a real terminal, and what it draws."""

import io
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import ioctl
from termios import TIOCSWINSZ
from typing import Any

import pytest
from rich.console import Console

from btc_ai.bus.codec import Envelope
from btc_ai.cli.top.draw import Screen
from btc_ai.cli.top.overview import Overview
from tests.conftest import House
from tests.history.conftest import run_view, step_view


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, process: "subprocess.Popen[bytes]", master: int) -> None:
        self.process, self._master = process, master
        self.seen = ""

    def until(self, text: str, limit_s: float = 60) -> None:
        """Read what it draws until `text` comes, after what was read before."""
        end, begin = time.monotonic() + limit_s, len(self.seen)
        while text not in self.seen[begin:]:
            assert time.monotonic() < end, f"{text!r} never came: {self.seen[-2000:]}"
            if select.select([self._master], [], [], 0.2)[0]:
                self.seen += os.read(self._master, 1 << 16).decode(errors="replace")

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())

    def ended(self) -> int:
        """Its exit code; what it still draws is read, so that it can end."""
        end = time.monotonic() + 30
        while self.process.poll() is None:
            assert time.monotonic() < end, "it does not end"
            if select.select([self._master], [], [], 0.1)[0]:
                try:
                    os.read(self._master, 1 << 16)
                except OSError:  # nobody writes any more
                    break
        return self.process.wait(10)


@contextmanager
def on_terminal(house: House, *arguments: str, columns: int = 80) -> Iterator[Terminal]:
    master, slave = pty.openpty()
    ioctl(slave, TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {k: v for k, v in house.environment.items() if k not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-m", "btc_ai.cli.app", *arguments],
        env=environment | {"TERM": "xterm-256color"}, stdin=slave, stdout=slave, stderr=slave,
        start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        process.kill()
        process.wait()
        os.close(master)


@pytest.mark.slow
def test_it_lives_through_a_restart_of_the_daemon_and_leaves_by_q(house: House) -> None:
    assert "no daemon" in house.run("top", "--once", code=3)
    with on_terminal(house, "top") as screen:
        screen.until("no daemon; waiting")
        house.run("daemon", "start")
        screen.until("no runs yet")
        pid = house.daemon_pid
        frame = house.run("top")
        assert f"process {pid}" in frame and "is monitoring on?" in frame and "\x1b" not in frame
        assert house.json("top")["daemon"]["pid"] == pid
        house.run("daemon", "stop")
        screen.until("no daemon; waiting")
        house.run("daemon", "start")
        screen.until(f"process {house.daemon_pid}")
        screen.type("q")
        assert screen.ended() == 0
    with on_terminal(house, "top", columns=40) as narrow:
        narrow.until("no runs yet")
        narrow.process.send_signal(signal.SIGINT)
        assert narrow.ended() == 0


def known(*events: tuple[str, dict[str, Any]]) -> Overview:
    overview = Overview(
        status={"version": "1", "pid": 7, "uptime_s": 5.0, "plugins": []}, heard=time.time()
    )
    for kind, body in events:
        overview.hear(Envelope(kind, body, kind.partition(".")[0]))
    return overview


def drawn(overview: Overview, width: int, height: int = 24) -> list[str]:
    console = Console(width=width, height=height, record=True, file=io.StringIO())
    console.print(Screen(width, height, 0.65, 0.85).draw(overview))
    return console.export_text().splitlines()


EPISODE = {"reward": 0.5, "loss": 1.0, "win_rate": None, "profit_factor": 1.2}
SAMPLE: dict[str, Any] = {
    "host": {"cpu": 0.5, "load": 1.0, "memory": 0.9, "memory_used_mb": 900.0,
             "memory_total_mb": 1000.0},
    "gpu_state": "lost", "gpu_detail": "it fell off", "processes": [],
    "gpus": [{"index": 1, "utilisation": 0.3, "memory": 0.7, "memory_used_mb": 7.0,
              "memory_total_mb": 10.0, "temperature_c": 66.0, "power_w": None}],
}  # fmt: skip


@pytest.mark.parametrize("width", [120, 80, 40])
def test_a_frame_is_no_wider_and_no_higher_than_the_terminal(width: int) -> None:
    steps = [step_view(0, "Scalping"), step_view(1, "A long name of a bucket", state="waiting")]
    rows = [
        ("training.progress", {"run": "abc234", "position": 0, "episode": n, "eta_s": 9.0,
                               "bucket": "Scalping", "metrics": EPISODE | {"reward": float(n)}})
        for n in range(1, 30)
    ]  # fmt: skip
    alert = {"level": "limit", "text": "memory of host: 90 %\x1b[2J"}
    overview = known(
        ("training.run", run_view(*steps)), *rows, ("monitoring.sample", SAMPLE),
        ("monitoring.alert", alert),
        *(
            ("training.run", run_view(run=f"old{n}", created=float(n), state="done"))
            for n in range(9)
        ),
    )  # fmt: skip
    overview.logs = [f"2026 WARNING \x1b[31m {n} {'x' * 200}" for n in range(30)]
    for height in (10, 24, 60):
        lines = drawn(overview, width, height)
        assert len(lines) < height and max(map(len, lines)) <= width
        assert not any("\x1b" in line for line in lines)
    text = "\n".join(lines)
    assert "29/100" in text and "memory of host" in text and "GPU 1" in text
    assert ("▁" in text and "▇█" in text) == (width > 40)
    assert ("66 °C" in text) == (width > 40)


def test_what_is_heard_is_kept_within_bounds() -> None:
    overview = known(
        *(("training.run", run_view(run=f"run{n}", created=float(n))) for n in range(50)),
        *(("monitoring.alert", {"level": "ok", "text": str(n)}) for n in range(50)),
    )
    assert [one["run"] for one in overview.runs] == ["run49", "run48", "run47", "run46", "run45"]
    assert [text for _, _, text in overview.alerts] == ["45", "46", "47", "48", "49"]
    overview.hear(Envelope("training.diverged", {"run": "run49", "text": "no number"}, "training"))
    assert list(overview.alerts)[-1][1:] == ("limit", "no number")
    overview.curves = {("run1", 0): deque(), ("run49", 0): deque()}
    overview.hear(Envelope("training.run", run_view(run="run49", state="done"), "training"))
    assert list(overview.curves) == [("run49", 0)]
    assert json.loads(json.dumps(overview.to_json()))["runs"][0]["run"]
