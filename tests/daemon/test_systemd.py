"""What the daemon tells systemd: a real socket hears it, a real broker answers the self-check."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from pydantic import BaseModel

from btc_ai.api.service import Body, Call, Command
from btc_ai.bus.broker import Broker
from btc_ai.daemon.systemd import Notifier, echo, keep_watch, stderr_is_journal
from btc_ai.errors import BusError
from btc_ai.paths import command_socket
from tests.daemon.conftest import Records, floor, until


class Manager:
    """The socket that systemd would listen on."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        found = []
        with suppress(BlockingIOError):
            while True:
                found.append(self._socket.recv(4096).decode())
        return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(
    runtime: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Manager]:
    made = Manager(f"{'@' if request.param == 'abstract' else ''}{runtime}/notify")
    monkeypatch.setenv("NOTIFY_SOCKET", made.address)
    yield made
    made.close()


def test_says_how_the_daemon_is(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    notifier = Notifier()
    assert notifier.managed and notifier.watchdog_s == 30
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & os.environ.keys()
    notifier.ready()
    with notifier.reloading():
        notifier.status("two\nlines")
    notifier.alive()
    notifier.stopping()
    heard = manager.heard()
    assert heard[1].startswith("RELOADING=1\nMONOTONIC_USEC=") and int(heard[1].split("=")[2]) > 0
    del heard[1]
    assert heard == [
        "READY=1\nSTATUS=ready", "STATUS=two lines", "READY=1", "WATCHDOG=1",
        "STOPPING=1\nSTATUS=stopping",
    ]  # fmt: skip


def test_a_reload_does_not_make_it_ready(manager: Manager) -> None:
    with Notifier().reloading():
        pass
    assert manager.heard() == []


def test_without_a_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notifier = Notifier()
    notifier.ready()
    assert not notifier.managed and notifier.watchdog_s == 0


def test_a_watchdog_of_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid() + 1))
    assert Notifier().watchdog_s == 0


def test_a_manager_that_has_gone(manager: Manager, capfd: pytest.CaptureFixture[str]) -> None:
    notifier = Notifier()
    manager.close()
    Path(manager.address).unlink(missing_ok=True)
    notifier.ready()
    assert "systemd cannot be told" in capfd.readouterr().err


def test_stderr_is_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    assert not stderr_is_journal()
    found = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino + 1}")
    assert not stderr_is_journal()
    monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
    assert stderr_is_journal()


class Empty(BaseModel):
    pass


def status(pid: int) -> Command:
    async def answer(body: Empty, call: Call) -> Body:
        return {"pid": pid}

    return Command("daemon.status", Empty, answer)


def test_echo(runtime: Path) -> None:
    async def run() -> None:
        async with floor(runtime) as here:
            with pytest.raises(BusError, match=r"daemon\.status fails"):
                await echo(runtime, 20)
            here.dispatcher.add([status(os.getpid())])
            await echo(runtime, 20)
            before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
            for _ in range(5):
                await echo(runtime, 20)
            assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208

    asyncio.run(run())


def test_echo_of_another_daemon(runtime: Path) -> None:
    async def run() -> None:
        async with floor(runtime) as here:
            here.dispatcher.add([status(os.getpid() + 1)])
            with pytest.raises(BusError, match="another daemon"):
                await echo(runtime, 20)

    asyncio.run(run())


def test_echo_where_nothing_answers(runtime: Path) -> None:
    async def run() -> None:
        async def deaf(*_: object) -> None: ...

        broker = Broker(runtime, deaf)  # its commands are not served
        try:
            with pytest.raises(BusError, match="does not answer"):
                await echo(runtime, 0.2)
            command_socket(runtime).unlink()
            with pytest.raises(BusError, match="does not answer"):
                await echo(runtime, 0.2)
        finally:
            broker.close()

    asyncio.run(run())


def test_watch_holds_the_watchdog_off_while_all_is_well(
    manager: Manager, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    heard: list[str] = []

    def hears(count: int) -> bool:
        heard.extend(manager.heard())
        return len(heard) >= count

    async def run() -> None:
        log = Records()
        async with floor(runtime) as here:
            here.dispatcher.add([status(os.getpid())])
            watch = asyncio.create_task(keep_watch(Notifier(), runtime, log))
            try:
                await until(lambda: hears(3))
                command_socket(runtime).unlink()
                await until(lambda: len(log.of("error")) >= 2)
                manager.heard()
                await until(lambda: len(log.of("error")) >= 4)
            finally:
                watch.cancel()
            assert manager.heard() == []

    asyncio.run(run())
    assert set(heard) == {"WATCHDOG=1"}
