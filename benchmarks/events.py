"""Events through the broker to ten subscribers, beside a bare pyzmq XPUB with the same frames.

`python -m benchmarks.events`
"""

import asyncio
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zmq

from btc_ai.bus.broker import Broker
from btc_ai.bus.client import QUEUED, Client
from btc_ai.bus.codec import Envelope, encode
from btc_ai.bus.commands import Peer
from btc_ai.daemon.bus_commands import BusCommands
from btc_ai.daemon.dispatch import Dispatcher
from btc_ai.daemon.tasks import Tasks
from btc_ai.logs.capture import logger
from btc_ai.paths import event_socket

RATE = 50_000
SUBSCRIBERS = 10
SECONDS = 2.0
BODY = {
    "run": "20261125-120000-abcd", "position": 1, "bucket": "Short", "episode": 12,
    "metrics": {"reward": 1.25, "loss": 0.031, "win_rate": 0.52, "profit_factor": 1.2},
    "eta_s": 12.5,
}  # fmt: skip
"""Like `training.progress`, about 260 bytes on the wire."""
RATES = (50_000, 25_000, 12_500, 6_250, 3_000)
CROWD = 40_000
TOPIC = b"training.progress"
Publish = Callable[[], None]
Other = Callable[[bytes], None]


def listen(endpoint: str, ready: Any, told: Any) -> None:
    """Count what comes from `endpoint` until it says `end`."""
    with zmq.Context() as context, context.socket(zmq.SUB) as heard:
        heard.rcvhwm = QUEUED
        heard.subscribe(b"")
        heard.connect(endpoint)
        heard.recv_multipart()
        ready.release()
        count = 0
        while (message := heard.recv_multipart())[0] != b"end":
            count += message[0] == TOPIC
        told.put(count)


def follow(runtime: Path, ready: Any, told: Any) -> None:
    """Subscribe, look away while the crowd passes, and then catch up."""
    with Client(runtime) as client:
        feed = client.subscribe("training.")
        ready.release()
        time.sleep(SECONDS)
        begun, seen, losses = time.perf_counter(), 0, 0
        for event, lost in feed.events(idle=2.0):
            losses += lost
            if event is None:
                break
            seen += 1
        told.put((seen, losses, time.perf_counter() - begun - 2.0))


async def paced(publish: Publish, rate: int) -> float:
    """Publish for SECONDS at `rate` a second; how many a second it came to."""
    begun, sent, total = time.perf_counter(), 0, int(rate * SECONDS)
    while sent < total:
        due = min(total, int((time.perf_counter() - begun) * rate) + 1)
        for _ in range(due - sent):
            publish()
        sent = max(sent, due)
        await asyncio.sleep(0.0005)
    return sent / (time.perf_counter() - begun)


async def received(endpoint: str, publish: Publish, other: Other, rate: int) -> tuple[float, float]:
    """The rate that was published, and the least share that one of ten listeners got."""
    ready = multiprocessing.Semaphore(0)
    told: multiprocessing.Queue[int] = multiprocessing.Queue()
    crowd = [
        multiprocessing.Process(target=listen, args=(endpoint, ready, told))
        for _ in range(SUBSCRIBERS)
    ]
    for one in crowd:
        one.start()
    up = 0
    while up < SUBSCRIBERS:
        other(b"begin")
        await asyncio.sleep(0.02)
        up += ready.acquire(block=False)
    speed = await paced(publish, rate)
    counts: list[int] = []
    while len(counts) < SUBSCRIBERS:
        await asyncio.sleep(0.02)
        other(b"end")
        while not told.empty():
            counts.append(told.get())
    for one in crowd:
        one.join()
    return speed, min(counts) / (rate * SECONDS)


async def most(what: str, endpoint: str, publish: Publish, other: Other) -> int:
    """The highest of RATES that reached everybody whole; 0 where none did."""
    for rate in RATES:
        speed, share = await received(endpoint, publish, other, rate)
        print(f"{what}: {rate:,} a second wanted, {speed:,.0f} published, {share:.1%} received")
        if share == 1 and speed > 0.95 * rate:
            return rate
    return 0


def cost(publish: Publish) -> float:
    """Microseconds of processor time that one call takes, with nobody listening."""
    begun = time.process_time()
    for _ in range(20_000):
        publish()
    return (time.process_time() - begun) / 20_000 * 1e6


async def bare(folder: Path) -> tuple[int, float]:
    """An XPUB that sends frames made beforehand."""
    endpoint, frame = f"ipc://{folder}/bare", encode(Envelope(TOPIC.decode(), BODY, "training"))
    with zmq.Context() as context, context.socket(zmq.XPUB) as made:
        made.linger = 0
        made.bind(endpoint)

        def publish() -> None:
            made.send_multipart([TOPIC, frame])

        def other(topic: bytes) -> None:
            made.send_multipart([topic, b""])

        return await most("bare", endpoint, publish, other), cost(publish)


async def ours(folder: Path) -> tuple[int, float, tuple[int, int, float]]:
    """The broker, and a subscriber that looks away."""
    dispatcher, tasks = Dispatcher(logger("events")), Tasks(logger("events"))

    async def handle(envelope: Envelope, peer: Peer) -> None:
        await dispatcher.handle(broker, envelope, peer)

    broker = Broker(folder, handle)
    dispatcher.add(BusCommands(broker, dispatcher, folder, None).commands())
    tasks.spawn("commands", broker.serve_commands(), forever=True)
    tasks.spawn("subscriptions", broker.serve_subscriptions(), forever=True)

    def publish() -> None:
        broker.publish(TOPIC.decode(), BODY, source="training")

    def other(topic: bytes) -> None:
        broker.publish(topic.decode(), {}, source="bench")

    try:
        rate = await most("broker", f"ipc://{event_socket(folder)}", publish, other)
        spent = cost(publish)
        ready = multiprocessing.Semaphore(0)
        told: multiprocessing.Queue[tuple[int, int, float]] = multiprocessing.Queue()
        slow = multiprocessing.Process(target=follow, args=(folder, ready, told))
        slow.start()
        while not ready.acquire(block=False):
            await asyncio.sleep(0.02)
        for _ in range(CROWD):
            publish()
        while told.empty():
            await asyncio.sleep(0.02)
        slow.join()
        return rate, spent, told.get()
    finally:
        await tasks.cancel()
        await dispatcher.tasks.cancel()
        broker.close()


def main() -> int:
    """Print both, and their ratio; exit status 1 where the bar was missed."""
    multiprocessing.set_start_method("fork")  # a listener must not cost a start
    with tempfile.TemporaryDirectory(prefix="btc-ai-", dir="/tmp") as name:
        folder = Path(name)
        plain, plain_us = asyncio.run(bare(folder))
        rate, spent_us, (seen, losses, took) = asyncio.run(ours(folder))
    print(
        f"to {SUBSCRIBERS} subscribers without loss: broker {rate:,} a second, bare XPUB "
        f"{plain:,} a second: {rate / max(plain, 1):.2f} × (bar {RATE:,})\n"
        f"a publish costs {spent_us:.1f} µs, a bare send {plain_us:.1f} µs: "
        f"{spent_us / plain_us:.1f} ×\n"
        f"a subscriber that looked away for {SECONDS:g} s: {seen:,} of {CROWD:,} events, {losses} "
        f"lost for good (bar 0), {took:.1f} s to catch up"
    )
    return int(rate < RATE or seen != CROWD or losses > 0)


if __name__ == "__main__":
    raise SystemExit(main())
