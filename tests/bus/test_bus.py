import asyncio
import socket
import stat
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zmq
from pydantic import BaseModel, ConfigDict, ValidationError

from btc_ai.api.errors import TrainingError
from btc_ai.api.service import Body, Call, Command
from btc_ai.bus.broker import MAX_MESSAGE, Broker
from btc_ai.bus.client import Client, NoDaemonError, RemoteError, daemon_listens
from btc_ai.bus.codec import MAX_FRAME, Envelope, FrameError, VersionError, decode, encode
from btc_ai.bus.commands import Peer
from btc_ai.daemon.dispatch import IN_FLIGHT
from btc_ai.errors import BusError
from tests.bus.conftest import Hub


class Echo(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str = ""
    number: int = 0


async def echo(body: Echo, call: Call) -> Body:
    return {"text": body.text, "id": call.id, "source": call.source}


async def refuse(body: Echo, call: Call) -> Body:
    raise TrainingError("no such run")


async def fault(body: Echo, call: Call) -> Body:
    raise KeyError("a bug")


async def leave(body: Echo, call: Call) -> Body:
    raise SystemExit(3)


async def slow(body: Echo, call: Call) -> Body:
    await asyncio.sleep(30)
    return {}


async def impatient(body: Echo, call: Call) -> Body:
    raise TimeoutError("of its own")


async def careless(body: Echo, call: Call) -> Body:
    Echo.model_validate({"number": "x"})
    return {}


async def cancelled(body: Echo, call: Call) -> Body:
    future: asyncio.Future[Body] = asyncio.get_running_loop().create_future()
    future.cancel()
    return await future


async def unsendable(body: Echo, call: Call) -> Body:
    return {"path": Path("/")}


async def not_a_number(body: Echo, call: Call) -> Body:
    return {"loss": float("nan")}


async def nothing(body: Echo, call: Call) -> Any:
    return None


async def enormous(body: Echo, call: Call) -> Body:
    return {"parts": ["x" * 200_000] * 6}


HANDLERS = {
    "echo": echo, "refuse": refuse, "fault": fault, "leave": leave, "impatient": impatient,
    "careless": careless, "cancelled": cancelled, "unsendable": unsendable, "nan": not_a_number,
    "nothing": nothing, "enormous": enormous,
}  # fmt: skip


@pytest.fixture
def served(hub: Hub) -> Hub:
    hub.add(*(Command(f"test.{name}", Echo, handler) for name, handler in HANDLERS.items()))
    hub.add(Command("test.slow", Echo, slow, timeout=0.2), Command("test.stuck", Echo, slow))
    return hub


@pytest.fixture
def client(served: Hub) -> Iterator[Client]:
    with Client(served.runtime) as made:
        yield made


@pytest.fixture
def raw(served: Hub) -> Iterator["zmq.Socket[bytes]"]:
    """A DEALER for those who do not keep to the protocol."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as made:
        made.linger = 0
        made.rcvtimeo = 5000
        made.connect(f"ipc://{served.runtime}/commands.sock")
        yield made


def error(client: Client, kind: str, **body: Any) -> tuple[str, str]:
    with pytest.raises(RemoteError) as caught:
        client.call(kind, body)
    return caught.value.code, str(caught.value)


def test_result(client: Client) -> None:
    result = client.call("test.echo", {"text": "é\n"})
    assert result["text"] == "é\n"
    assert result["source"] == "cli"


def test_typed_errors(client: Client) -> None:
    assert error(client, "test.nope")[0] == "unknown_kind"
    assert error(client, "test.refuse") == ("training", "no such run")
    code, message = error(client, "test.echo", number="x", txet=1)
    assert code == "bad_body" and "number" in message and "txet" in message
    assert error(client, "test.slow") == ("deadline", "test.slow took over 0.2 s")
    assert client.call("test.echo")["text"] == ""


@pytest.mark.parametrize("kind", ["fault", "leave", "impatient", "careless", "cancelled"])
def test_fault_of_a_handler_is_internal_and_logged(
    client: Client, kind: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    code, message = error(client, f"test.{kind}")
    assert code == "internal" and "log" in message
    assert f"test.{kind}" in caplog.text + capsys.readouterr().out
    assert client.call("test.echo")["text"] == ""


@pytest.mark.parametrize("kind", ["unsendable", "nan", "nothing", "enormous"])
def test_result_that_cannot_be_sent(client: Client, kind: str) -> None:
    code, message = error(client, f"test.{kind}")
    assert code == "internal" and "cannot be sent" in message


def test_bad_body_with_thousands_of_fields_is_still_answered(client: Client) -> None:
    code, message = error(client, "test.echo", **{f"{'x' * 90}{n}": 0 for n in range(9000)})
    assert code == "bad_body" and len(message) < 5000


def test_client_refuses_to_send_too_much(client: Client) -> None:
    with pytest.raises(FrameError, match="at most"):
        client.call("test.echo", {"text": ["x" * 200_000] * 6})


GARBAGE = {
    "garbage": ([b"\xc1garbage"], "bad_frame"),
    "empty": ([b""], "bad_frame"),
    "two frames": ([encode(Envelope("test.echo", {}, "t"))] * 2, "bad_frame"),
    "oversized": ([b"x" * (MAX_FRAME + 1)], "bad_frame"),
    "other version": ([msgpack.packb({"v": 2})], "bad_version"),
    "pickle": ([b"\x80\x04cos\nsystem\n."], "bad_frame"),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_answered(raw: "zmq.Socket[bytes]", client: Client, name: str) -> None:
    frames, code = GARBAGE[name]
    raw.send_multipart(frames)
    reply = decode(raw.recv())
    assert (reply.kind, reply.body["code"], reply.parent_id) == ("reply.error", code, None)
    assert client.call("test.echo")["text"] == ""


def test_enormous_frame_ends_the_connection_alone(raw: "zmq.Socket[bytes]", client: Client) -> None:
    monitor = raw.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    raw.send(b"x" * (MAX_MESSAGE + 1))
    assert monitor.poll(5000)
    raw.disable_monitor()
    assert not raw.poll(100)
    assert client.call("test.echo")["text"] == ""


def test_client_of_another_version_is_told_at_once(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("btc_ai.bus.client.encode", lambda one: msgpack.packb({"v": 9}))
    began = time.monotonic()
    assert error(client, "test.echo")[0] == "bad_version"
    assert time.monotonic() - began < 2


def test_late_reply_is_not_taken_for_another_commands(client: Client) -> None:
    with pytest.raises(NoDaemonError, match="did not answer"):
        client.call("test.slow", timeout=0.05)
    time.sleep(0.3)
    assert client.call("test.echo", {"text": "mine"})["text"] == "mine"


def test_busy(served: Hub, raw: "zmq.Socket[bytes]") -> None:
    for _ in range(IN_FLIGHT + 3):
        raw.send(encode(Envelope("test.stuck", {}, "t")))
    replies = [decode(raw.recv()) for _ in range(3)]
    assert {reply.body["code"] for reply in replies} == {"busy"}
    served.do(served.dispatcher.tasks.cancel())
    with Client(served.runtime) as client:
        assert client.call("test.echo")["text"] == ""


def test_many_clients_at_once(served: Hub) -> None:
    def work(number: int) -> bool:
        with Client(served.runtime) as one:
            return all(
                one.call("test.echo", {"text": f"{number}.{turn}"})["text"] == f"{number}.{turn}"
                for turn in range(20)
            )

    with ThreadPoolExecutor(40) as pool:
        assert all(pool.map(work, range(120)))


def test_round_trip_time(client: Client) -> None:
    times = []
    for _ in range(1000):
        began = time.perf_counter()
        client.call("test.echo")
        times.append(1e3 * (time.perf_counter() - began))
    cut = statistics.quantiles(times, n=100)
    print(f"\ncommand round trip: median {cut[49]:.2f} ms, p99 {cut[98]:.2f} ms")  # noqa: T201


def test_welcome_then_every_event(hub: Hub) -> None:
    for number in range(3):
        hub.publish("training.run", run="a", number=number)
    hub.publish("training.note", run="b")
    with Client(hub.runtime) as client:
        feed = client.subscribe("training.")
        assert [(one.kind, one.body) for one in feed.last] == [
            ("training.run", {"run": "a", "number": 2}), ("training.note", {"run": "b"}),
        ]  # fmt: skip
        for number in range(500):
            hub.publish("training.progress", run="a", number=number)
        events = feed.events()
        for number in range(500):
            event, lost = next(events)
            assert event is not None and not lost
            assert (event.body["number"], event.seq) == (number, number + 5)
        hub.publish("daemon.state", source="daemon", state="x")
        assert list(next(feed.events(idle=0.1))) == [None, False]


def test_events_while_subscribing_are_not_lost(hub: Hub) -> None:
    async def storm() -> None:
        for number in range(3000):
            hub.broker.publish("a.b", {"number": number}, source="s")
            if not number % 20:
                await asyncio.sleep(0.001)

    with Client(hub.runtime) as client, ThreadPoolExecutor(1) as pool:
        stormy = pool.submit(hub.do, storm())
        feed = client.subscribe("a.")
        known = feed.last[-1].body["number"] if feed.last else -1
        events = feed.events(idle=2.0)
        while known < 2999:
            event, lost = next(events)
            assert event is not None and not lost
            assert event.body["number"] == known + 1
            known += 1
        stormy.result()


def test_slow_subscriber_sees_the_gap(hub: Hub) -> None:
    async def flood() -> None:
        for number in range(20_000):
            hub.broker.publish("a.b", {"number": number, "pad": "x" * 500}, source="s")

    with Client(hub.runtime) as client:
        feed = client.subscribe("a.")
        hub.do(flood())
        events, gaps, got = feed.events(idle=0.5), 0, 0
        for event, lost in events:
            if event is None:
                break
            gaps, got = gaps + lost, got + 1
        hub.publish("a.b", source="s", number=-1)
        event, lost = next(events)
        assert event is not None and event.body["number"] == -1
        assert gaps + lost >= 1 and 0 < got < 20_000


def test_welcome_goes_on_when_last_values_are_large(hub: Hub) -> None:
    for run in range(8):
        hub.publish("training.run", run=str(run), parts=["x" * 200_000] * 3)
    with Client(hub.runtime, timeout=3) as client:
        feed = client.subscribe("training.")
        assert feed.last[-1].body["run"] == "7"
    deep: Any = []
    for _ in range(13):
        deep = [deep]
    hub.publish("training.run", run="deep", deep=deep)
    with Client(hub.runtime, timeout=3) as client:
        assert [one.body["run"] for one in client.subscribe("training.").last] == ["7"]


def test_a_flood_of_one_source_leaves_the_others_their_last_values(hub: Hub) -> None:
    hub.publish("training.run", run="a")
    for number in range(100):
        hub.publish("noisy.news", source="noisy", run=str(number), parts=["x" * 200_000] * 2)
    with Client(hub.runtime) as client:
        last = client.subscribe("training.").last
    assert [one.body["run"] for one in last if one.source == "training"] == ["a"]
    assert [one.body["run"] for one in last if one.source == "noisy"] == ["98", "99"]


@pytest.mark.parametrize("run", [["a"], {"a": 1}, 3])
def test_a_run_that_is_no_name_leaves_no_gap(hub: Hub, run: Any) -> None:
    with Client(hub.runtime) as client:
        feed = client.subscribe("a.")
        hub.publish("a.b", source="s", run=run)
        hub.publish("a.b", source="s")
        events = feed.events()
        assert [next(events)[1], next(events)[1]] == [False, False]


def test_event_that_cannot_be_sent_leaves_no_gap(hub: Hub) -> None:
    with Client(hub.runtime) as client:
        feed = client.subscribe("a.")
        hub.publish("a.b", source="s")
        with pytest.raises(FrameError):
            hub.publish("a.b", source="s", loss=float("nan"))
        hub.publish("a.b", source="s")
        events = feed.events()
        assert [next(events)[1], next(events)[1]] == [False, False]


def test_without_a_daemon(runtime: Path) -> None:
    began = time.monotonic()
    with pytest.raises(NoDaemonError, match="btc-ai daemon start"):
        Client(runtime)
    assert time.monotonic() - began < 0.5


def test_stale_socket_file(runtime: Path, make_hub: Callable[[Path], Hub]) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(runtime / "commands.sock"))
    assert not daemon_listens(runtime)
    with pytest.raises(NoDaemonError):
        Client(runtime)
    hub = make_hub(runtime)
    assert daemon_listens(runtime)
    hub.close()


def test_daemon_that_is_being_knocked_at_listens(runtime: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(runtime / "commands.sock"))
        one.listen(0)
        knocking = [socket.socket(socket.AF_UNIX) for _ in range(4)]
        try:
            for other in knocking:
                other.setblocking(False)
                other.connect_ex(str(runtime / "commands.sock"))
            assert daemon_listens(runtime)
        finally:
            for other in knocking:
                other.close()


def test_daemon_that_goes_is_missed_in_time(runtime: Path, make_hub: Callable[[Path], Hub]) -> None:
    hub = make_hub(runtime)
    with Client(runtime, timeout=0.3) as client:
        hub.close()
        with pytest.raises(NoDaemonError, match="did not answer"):
            client.call("test.echo")
        with pytest.raises(NoDaemonError, match="event socket"):
            client.subscribe("a.")


def test_sockets_are_private_and_removed(runtime: Path, make_hub: Callable[[Path], Hub]) -> None:
    hub = make_hub(runtime)
    files = sorted(runtime.iterdir())
    assert [one.name for one in files] == ["commands.sock", "events.sock"]
    assert {stat.S_IMODE(one.stat().st_mode) for one in files} == {0o600}
    hub.close()
    assert not list(runtime.iterdir())


async def _ignore(envelope: Envelope, peer: Peer) -> None:
    return None


@pytest.mark.parametrize("name", ["x" * 120, "missing"])
def test_runtime_folder_that_cannot_be_used(runtime: Path, name: str) -> None:
    async def make() -> None:
        Broker(runtime / name, _ignore)

    with pytest.raises(
        BusError, match="BTC_AI_RUNTIME_DIR" if len(name) > 100 else "cannot listen"
    ):
        asyncio.run(make())
    with pytest.raises(NoDaemonError):
        Client(runtime / name)


def test_version_error_is_a_bus_error() -> None:
    assert issubclass(VersionError, BusError)
    with pytest.raises(ValidationError):
        Echo.model_validate({"text": 1})
