"""Commands and events over TCP: who comes in, who does not, and from when on."""

import asyncio
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zmq
from pydantic import BaseModel, ConfigDict

from btc_ai.api.service import Body, Call, Command
from btc_ai.bus.address import Host
from btc_ai.bus.client import Client, NoDaemonError, RemoteError
from btc_ai.bus.codec import Envelope, decode, encode
from btc_ai.bus.keys import Keys
from btc_ai.bus.remote import RemoteDoor
from btc_ai.config import Remote
from btc_ai.daemon.bus_commands import BusCommands
from btc_ai.daemon.dispatch import CommandError
from btc_ai.errors import BusError, ConfigError
from btc_ai.logs.capture import logger
from tests.bus.conftest import Hub


class Anything(BaseModel):
    model_config = ConfigDict(extra="forbid")


def free_ports() -> tuple[int, int]:
    """Two ports that are free, and that the kernel gives to nobody: it picks from 32768 on."""
    while True:
        first = 20_000 + 2 * secrets.randbelow(6000)
        with suppress(OSError), socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", first))
            other.bind(("127.0.0.1", first + 1))
            return first, first + 1


class Gateway:
    """A hub with a TCP door; counts the commands that got through to a handler."""

    def __init__(self, hub: Hub, folder: Path) -> None:
        self.hub, self.keys = hub, Keys(folder)
        self.delivered: list[Call] = []
        self.keys.add("first", "viewer")
        commands, events = free_ports()
        self.settings = Remote(ENABLED=True, COMMAND_PORT=commands, EVENT_PORT=events)
        self.door = hub.do(self._open())
        ours = BusCommands(hub.broker, hub.dispatcher, folder, self.door).commands()
        ping = Command("daemon.ping", Anything, self._take, role="viewer")
        hub.add(*ours, ping, Command("test.change", Anything, self._take))

    async def _open(self) -> RemoteDoor:
        door = RemoteDoor(self.hub.broker, self.settings, self.keys, logger("remote"))
        self._serving = asyncio.create_task(door.serve())
        return door

    async def _take(self, body: Anything, call: Call) -> Body:
        self.delivered.append(call)
        return {"role": call.role, "who": call.who}

    def host(self, name: str, role: Any) -> Host:
        """A new key that the door knows."""
        key, secret = self.keys.add(name, role)
        self.hub.do(self.door.refresh())
        return self.stranger(name, key.public, secret)

    def stranger(self, name: str, public: str, secret: str) -> Host:
        return Host(
            name, "127.0.0.1", self.settings.COMMAND_PORT, self.settings.EVENT_PORT,
            self.keys.server()[0], public, secret,
        )  # fmt: skip

    def revoke(self, name: str) -> None:
        self.keys.revoke(name)
        self.hub.do(self.door.refresh())

    async def _close(self) -> None:
        self._serving.cancel()
        await asyncio.wait({self._serving})
        self.door.close()

    def close(self) -> None:
        self.hub.do(self._close())


@pytest.fixture
def gateway(hub: Hub, tmp_path: Path) -> Iterator[Gateway]:
    made = Gateway(hub, tmp_path / "Keys")
    try:
        yield made
    finally:
        made.close()


def test_the_role_and_the_sender_come_from_the_key(gateway: Gateway) -> None:
    for name, role in (("eve", "viewer"), ("ann", "operator")):
        with Client(gateway.host(name, role), source="root") as client:
            result = client.call("daemon.ping")
        assert result == {"role": role, "who": f"key {name} from 127.0.0.1"}
    with Client(gateway.hub.runtime) as client:
        assert client.call("daemon.ping")["role"] == "operator"


def test_a_viewer_changes_nothing(gateway: Gateway) -> None:
    with Client(gateway.host("eve", "viewer")) as client:
        gateway.delivered.clear()
        with pytest.raises(RemoteError, match="role operator") as caught:
            client.call("test.change")
    assert caught.value.code == "forbidden"
    assert not gateway.delivered
    with Client(gateway.host("ann", "operator")) as client:
        assert client.call("test.change")["role"] == "operator"


def test_a_daemon_that_refuses_is_one_that_answers(gateway: Gateway) -> None:
    async def busy(body: Anything, call: Call) -> Body:
        raise CommandError("busy", "too many commands at once; try again")

    eve = gateway.host("eve", "viewer")
    gateway.hub.dispatcher.remove([ping := gateway.hub.dispatcher._table["daemon.ping"]])
    gateway.hub.add(replace(ping, handler=busy))
    with pytest.raises(RemoteError, match="try again"):
        Client(eve)


def test_events_over_tcp(gateway: Gateway) -> None:
    gateway.hub.publish("training.run", run="a", number=0)
    with Client(gateway.host("eve", "viewer")) as client:
        feed = client.subscribe("training.")
        assert [one.body for one in feed.last] == [{"run": "a", "number": 0}]
        for number in range(100):
            gateway.hub.publish("training.progress", number=number)
        events = feed.events()
        assert [next(events)[0].body["number"] for _ in range(100)] == list(range(100))  # type: ignore[union-attr]


def test_a_revoked_key_hears_and_does_nothing_more(gateway: Gateway) -> None:
    eve, ann = gateway.host("eve", "operator"), gateway.host("ann", "viewer")
    with Client(eve) as client, Client(ann) as other:
        feed, others = client.subscribe("training."), other.subscribe("training.")
        gateway.hub.publish("training.run", number=0)
        assert next(feed.events())[0] is not None
        gateway.revoke("eve")
        gateway.delivered.clear()
        with pytest.raises(RemoteError, match="revoked"):
            client.call("test.change")
        assert not gateway.delivered
        gateway.hub.publish("training.run", number=1)
        kept = others.events(idle=5)
        numbers: list[int] = []
        while len(numbers) < 2:
            event, lost = next(kept)
            assert not lost
            if event is None:  # it came while the other was connecting again
                gateway.hub.publish("training.run", number=2)
            else:
                numbers.append(event.body["number"])
        assert numbers == [0, 1]
        assert feed.receive(0.5) is None
    with pytest.raises(NoDaemonError, match="revoked"):
        Client(eve, timeout=0.5)


def test_keys_revoked_at_once_reopen_the_events_once(gateway: Gateway) -> None:
    ann = gateway.host("ann", "viewer")
    for name in ("eve", "joe"):
        gateway.host(name, "viewer")

    async def revoke(name: str) -> None:
        gateway.keys.revoke(name)
        await gateway.door.refresh()

    async def both() -> None:
        await asyncio.gather(revoke("eve"), revoke("joe"))

    gateway.hub.do(both())
    assert len(gateway.hub.broker._outlets) == 2  # this machine's, and the door's
    with Client(ann) as client:
        feed = client.subscribe("training.")
        for number in range(3):
            gateway.hub.publish("training.run", number=number)
        numbers = [next(feed.events())[0].body["number"] for _ in range(3)]  # type: ignore[union-attr]
    assert numbers == [0, 1, 2]


def test_a_name_that_was_revoked_does_not_come_back(gateway: Gateway) -> None:
    eve = gateway.host("eve", "viewer")
    gateway.revoke("eve")
    with pytest.raises(Exception, match="choose another name"):
        gateway.keys.add("eve", "operator")
    with pytest.raises(NoDaemonError):
        Client(eve, timeout=0.5)


def plain(made: Any, public: str, gateway: Gateway) -> None:
    made.plain_username, made.plain_password = b"admin", b"admin"


def null(made: Any, public: str, gateway: Gateway) -> None:
    return None


def unknown_key(made: Any, public: str, gateway: Gateway) -> None:
    made.curve_publickey, made.curve_secretkey = zmq.curve_keypair()
    made.curve_serverkey = gateway.keys.server()[0].encode()


def wrong_server(made: Any, public: str, gateway: Gateway) -> None:
    key, secret = gateway.keys.add("someone", "operator")
    gateway.hub.do(gateway.door.refresh())
    made.curve_publickey, made.curve_secretkey = key.public.encode(), secret.encode()
    made.curve_serverkey = zmq.curve_keypair()[0]


def stolen_public_half(made: Any, public: str, gateway: Gateway) -> None:
    made.curve_publickey, made.curve_secretkey = public.encode(), zmq.curve_keypair()[1]
    made.curve_serverkey = gateway.keys.server()[0].encode()


@pytest.mark.parametrize("prepare", [plain, null, unknown_key, wrong_server, stolen_public_half])
def test_strangers_deliver_and_hear_nothing(
    gateway: Gateway, prepare: Callable[[Any, str, Gateway], None]
) -> None:
    ann = gateway.host("ann", "operator")
    with zmq.Context() as context:
        dealer, listener = context.socket(zmq.DEALER), context.socket(zmq.SUB)
        for made, port in ((dealer, ann.command_port), (listener, ann.event_port)):
            made.linger = 0
            prepare(made, ann.public_key, gateway) if made is dealer else None
            if made is listener and prepare is not wrong_server:
                prepare(made, ann.public_key, gateway)
            made.connect(f"tcp://127.0.0.1:{port}")
        listener.subscribe("")
        for _ in range(50):
            dealer.send(encode(Envelope("test.change", {}, "cli")))
        end = time.monotonic() + 1
        while time.monotonic() < end:
            gateway.hub.publish("training.run", number=1)
            assert not listener.poll(50)
        assert not dealer.poll(0)
        dealer.close()
        listener.close()
    assert not [one for one in gateway.delivered if one.source == "cli" and one.id]
    with Client(ann) as client:
        assert client.call("test.change")["role"] == "operator"


def test_a_workers_token_opens_nothing_over_tcp(gateway: Gateway) -> None:
    heard: list[Envelope] = []
    gateway.hub.broker.attach_worker(b"token-of-a-worker", heard.append)
    ann = gateway.host("ann", "viewer")
    with zmq.Context() as context, context.socket(zmq.DEALER) as made:
        made.linger = 0
        made.setsockopt(zmq.IDENTITY, b"token-of-a-worker")
        ann.connect_commands(made)
        made.send(encode(Envelope("worker.result", {}, "worker")))
        assert made.poll(5000)
        assert decode(made.recv()).body["code"] == "unknown_kind"
    assert not heard


def test_without_keys_it_does_not_listen(hub: Hub, tmp_path: Path) -> None:
    commands, events = free_ports()
    settings = Remote(ENABLED=True, COMMAND_PORT=commands, EVENT_PORT=events)

    async def make() -> None:
        RemoteDoor(hub.broker, settings, Keys(tmp_path / "Keys"), logger("remote"))

    with pytest.raises(ConfigError, match="btc-ai keys new"):
        hub.do(make())
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", commands), 1)


def test_a_port_that_is_taken(gateway: Gateway) -> None:
    async def make() -> None:
        RemoteDoor(gateway.hub.broker, gateway.settings, gateway.keys, logger("remote"))

    with pytest.raises(BusError, match="see REMOTE"):
        gateway.hub.do(make())


def test_keys_that_cannot_be_read_open_for_nobody(gateway: Gateway) -> None:
    ann = gateway.host("ann", "operator")
    clients = gateway.keys.folder / "clients"
    clients.rename(gateway.keys.folder / "elsewhere")
    clients.write_text("")
    with Client(ann) as client:
        with pytest.raises(Exception, match="cannot read"):
            gateway.hub.do(gateway.door.refresh())
        with pytest.raises(RemoteError, match="revoked"):
            client.call("daemon.ping")
    clients.unlink()
    (gateway.keys.folder / "elsewhere").rename(clients)
    gateway.hub.do(gateway.door.refresh())
    with Client(replace(ann)) as client:
        assert client.call("daemon.ping")["role"] == "operator"
