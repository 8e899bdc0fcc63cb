"""Frames that no client of ours would send, on every socket: none may reach a handler.

`python -m benchmarks.fuzz [--frames 1000000] [--seed 0]`: part of `make soak`.
"""

import argparse
import random
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgpack
import zmq

from benchmarks.fuzz_target import TARGET
from btc_ai.bus.address import Host, Local
from btc_ai.bus.client import Client, NoDaemonError
from btc_ai.bus.codec import MAX_DEPTH, MAX_ENTRIES, MAX_FRAME, MAX_TEXT, Envelope, encode
from btc_ai.bus.keys import Keys

FRAMES = 1_000_000
GROWTH_MB = 20.0
BATCH = 100
START_S = 60.0


@dataclass
class Target:
    """The process under fire, and how to reach it."""

    local: Local
    host: Host
    word: str
    process: subprocess.Popen[bytes]
    rightly: int = 0

    def counts(self) -> dict[str, Any]:
        """What it says of itself. Raises NoDaemonError where it does not answer."""
        with Client(self.local, timeout=60) as client:
            return client.call("daemon.ping")

    def sing(self, where: Any) -> None:
        """A right command, which must get through."""
        with Client(where, timeout=60) as client:
            client.call(TARGET, {"word": self.word})
        self.rightly += 1


@contextmanager
def target() -> Iterator[Target]:
    """Start one in a folder of its own; it ends by its own process id."""
    with tempfile.TemporaryDirectory(prefix="btc-ai-fuzz-", dir="/tmp") as name, ExitStack() as end:
        folder, word = Path(name), secrets.token_hex(16)
        keys = Keys(folder / "keys")
        key, secret = keys.add("ann", "operator")
        ports = _free_ports()
        command = [sys.executable, "-m", "benchmarks.fuzz_target", name, word, *map(str, ports)]
        process = subprocess.Popen(command)
        end.callback(process.wait)
        end.callback(process.kill)
        local = Local(folder)
        limit = time.monotonic() + START_S
        while not local.listens():
            if time.monotonic() > limit or process.poll() is not None:
                raise SystemExit("the target did not start")
            time.sleep(0.05)
        server, at = keys.server()[0], "127.0.0.1"
        host = Host("ann", at, ports[0], ports[1], server, key.public, secret)
        yield Target(local, host, word, process)


def _free_ports() -> list[int]:
    with socket.socket() as one, socket.socket() as other:
        for held in (one, other):
            held.bind(("127.0.0.1", 0))
        return [one.getsockname()[1], other.getsockname()[1]]


@dataclass
class Frames:
    """Makes wrong frames, of every kind in turn."""

    dice: random.Random
    right: bytes
    kinds: list[Callable[[], list[bytes]]] = field(init=False)

    def __post_init__(self) -> None:
        """The kinds, the usual ones more often."""
        usual = [self.noise, self.mutated, self.mutated, self.mutated, self.wrong_value]
        self.kinds = [*usual * 8, self.replayed, self.parts, self.huge, self.deep, self.version]

    def next(self) -> list[bytes]:
        """One message."""
        return self.dice.choice(self.kinds)()

    def noise(self) -> list[bytes]:
        """Random bytes."""
        return [self.dice.randbytes(int(2 ** self.dice.uniform(0, 12)))]

    def valid(self, **changes: Any) -> bytes:
        """A command as it should be, but for the word."""
        fields = {
            "v": 1, "id": self.dice.randbytes(16).hex(), "parent_id": None, "kind": TARGET,
            "source": "fuzz", "seq": 0, "time": 1.5, "body": {"word": "a" * 32},
        }  # fmt: skip
        return bytes(msgpack.packb(fields | changes))

    def mutated(self) -> list[bytes]:
        """A valid frame with some bytes changed, cut or doubled."""
        frame = bytearray(self.valid())
        for _ in range(self.dice.randint(1, 6)):
            frame[self.dice.randrange(len(frame))] = self.dice.randrange(256)
        begin, end = sorted(self.dice.randrange(len(frame) + 1) for _ in range(2))
        return [bytes(self.dice.choice([frame, frame, frame[begin:end], frame + frame[begin:]]))]

    def wrong_value(self) -> list[bytes]:
        """A key of the envelope with a value of another type."""
        wrong: list[Any] = [
            None, True, -1, 2**64 - 1, float("nan"), float("inf"), "", "x" * 65, b"x", [], {},
        ]  # fmt: skip
        name = self.dice.choice(["v", "id", "kind", "source", "seq", "time", "body"])
        return [self.valid(**{name: self.dice.choice(wrong)})]

    def version(self) -> list[bytes]:
        """Another version of the bus."""
        return [self.valid(v=self.dice.choice([0, 2, 3, 255, "1", 1.0, None]))]

    def replayed(self) -> list[bytes]:
        """A right command that has been answered before."""
        return [self.right]

    def parts(self) -> list[bytes]:
        """Two frames, or an empty one."""
        return self.dice.choice([[self.valid(), self.right], [b""], [b"", self.valid()]])

    def huge(self) -> list[bytes]:
        """Above one of the limits."""
        body = self.dice.choice(
            [
                b"\xdd" + (MAX_FRAME // 2).to_bytes(4, "big") + b"\xc0" * (MAX_FRAME // 2),
                self.valid(body={"word": "x" * (MAX_TEXT + 1)}),
                self.valid(body={"word": [0] * (MAX_ENTRIES + 1)}),
                self.valid(body={str(key): 0 for key in range(MAX_ENTRIES + 1)}),
                b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc9\xff\xff\xff\xff\x00",
            ]
        )  # fmt: skip
        return [body]

    def deep(self) -> list[bytes]:
        """Nested too deep, or far too deep."""
        value: Any = 1
        for _ in range(MAX_DEPTH + self.dice.randrange(200)):
            value = [value] if self.dice.random() < 0.5 else {"a": value}
        return [self.dice.choice([self.valid(body={"word": value}), b"\x91" * 5000 + b"\x01"])]


def at_commands(aim: Target, where: Any, frames: Frames, count: int) -> None:
    """Frames on a command socket: exactly one answer to each."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as made:
        made.linger = 0
        where.connect_commands(made)
        while count > 0:
            batch = min(BATCH, count)
            for _ in range(batch):
                made.send_multipart(frames.next())
            for _ in range(batch):
                if not made.poll(60_000):
                    raise SystemExit("a frame was not answered")
                made.recv()
            if made.poll(0):
                raise SystemExit("a frame was answered twice")
            count -= batch


def at_events(aim: Target, where: Any, frames: Frames, count: int) -> None:
    """Frames sent up an event socket, where only subscriptions belong."""
    with zmq.Context() as context:
        while count > 0:
            made = context.socket(zmq.XSUB)
            made.linger = 2000
            where.connect_events(made)
            for _ in range(min(50 * BATCH, count)):
                frame = frames.next()[0][:1000]
                made.send(frames.dice.choice([b"", b"\x00", b"\x01", b"\x01welcome."]) + frame)
            made.close()
            count -= 50 * BATCH


def from_strangers(aim: Target, frames: Frames, count: int) -> None:
    """Frames under wrong keys and without any, on both TCP ports."""
    for turn in range(max(1, count // BATCH)):
        with zmq.Context() as context, context.socket(zmq.DEALER) as made:
            made.linger = 0
            port = (aim.host.command_port, aim.host.event_port)[turn % 2]
            if turn % 4 < 2:
                made.curve_publickey, made.curve_secretkey = zmq.curve_keypair()
                made.curve_serverkey = aim.host.server_key.encode()
            elif turn % 8 < 6:
                made.plain_username = made.plain_password = b"ann"
            made.connect(f"tcp://127.0.0.1:{port}")
            for _ in range(BATCH):
                with suppress(zmq.Again):
                    made.send_multipart([aim_frame(aim)], zmq.NOBLOCK)
            if made.poll(20):
                raise SystemExit("a stranger was answered")


def aim_frame(aim: Target) -> bytes:
    """A right command, which a stranger must not get through with either."""
    return encode(Envelope(TARGET, {"word": aim.word}, "stranger"))


def record(aim: Target) -> bytes:
    """What a right client sends over TCP, byte for byte."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        through = replace(aim.host, command_port=server.getsockname()[1])
        threading.Thread(target=_relay, args=(server, aim.host, heard), daemon=True).start()
        aim.sing(through)
    return b"".join(heard)


def _relay(server: socket.socket, host: Host, heard: list[bytes]) -> None:
    with suppress(OSError):
        while True:
            inner, _ = server.accept()
            outer = socket.create_connection((host.address, host.command_port))
            heard.clear()
            threading.Thread(target=_pump, args=(outer, inner, None), daemon=True).start()
            threading.Thread(target=_pump, args=(inner, outer, heard), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket, heard: list[bytes] | None) -> None:
    with suppress(OSError), source, sink:
        while data := source.recv(65536):
            if heard is not None:
                heard.append(data)
            sink.sendall(data)


def replay(aim: Target, frames: Frames, recorded: bytes, count: int) -> None:
    """Recorded and broken ZMTP traffic, straight into both TCP ports."""
    for turn in range(count):
        port = (aim.host.command_port, aim.host.event_port)[turn % 2]
        data = bytearray(recorded if turn % 4 < 2 else recorded[:64] + frames.noise()[0])
        if turn % 8 > 4:
            data[frames.dice.randrange(len(data))] ^= 0xFF
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as raw:
            raw.settimeout(0.02)
            raw.sendall(data)
            while raw.recv(4096):
                pass


def attack(aim: Target, frames: Frames, count: int) -> int:
    """Share `count` messages out over the sockets; how many were sent."""
    places: list[Any] = [aim.local, aim.host]
    for where in places:
        at_commands(aim, where, frames, count * 2 // 5)
        at_events(aim, where, frames, count // 10)
    strange = max(8 * BATCH, count // 50)
    from_strangers(aim, frames, strange)
    connections = max(8, count // 2000)
    replay(aim, frames, record(aim), connections)
    return 2 * (count * 2 // 5 + count // 10) + strange + connections


def run(count: int, seed: int) -> tuple[list[str], bool]:
    """Attack; the lines of the report, and whether every bar was reached."""
    with target() as aim:
        right = aim_frame(aim)
        frames = Frames(random.Random(seed), right)
        with zmq.Context() as context, context.socket(zmq.DEALER) as made:
            aim.local.connect_commands(made)
            made.send(right)
            made.recv()
        aim.rightly += 1
        attack(aim, frames, max(2000, count // 20))
        before, begun = aim.counts(), time.monotonic()
        sent = attack(aim, frames, count)
        for where in (aim.local, aim.host):
            aim.sing(where)
        try:
            after = aim.counts()
        except NoDaemonError:
            return ["the target does not answer any more"], False
        delivered = after["delivered"] - aim.rightly
        growth = after["rss_mb"] - before["rss_mb"]
        leaked = after["descriptors"] - before["descriptors"]
        crashes = after["errors"] + (aim.process.poll() is not None)
        took = time.monotonic() - begun
    lines = [
        f"{sent:,} messages in {took:.0f} s on commands and events, ipc and TCP: random, mutated, "
        "other versions, huge, deep, replayed; wrong keys, NULL and PLAIN; replayed ZMTP",
        f"delivered {delivered} (bar 0), errors and crashes {crashes} (bar 0), right commands "
        f"answered {aim.rightly}",
        f"memory grew {growth:+.1f} MB (bar {GROWTH_MB:g}), file descriptors {leaked:+d}",
    ]
    return lines, delivered == crashes == 0 and growth < GROWTH_MB


def main() -> int:
    """Print the report; exit status 1 where a bar was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    lines, reached = run(options.frames, options.seed)
    print("\n".join(lines))
    return int(not reached)


if __name__ == "__main__":
    raise SystemExit(main())
