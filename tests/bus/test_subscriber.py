import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import zmq.asyncio

from btc_ai.api.messages import Position
from btc_ai.bus.broker import Broker
from btc_ai.bus.codec import Envelope
from btc_ai.bus.commands import Peer
from btc_ai.bus.subscriber import listen
from btc_ai.errors import BusError

COUNT = 12_000


class Source:
    """A broker, and what its history says."""

    def __init__(self, runtime: Path, kept_bytes: int) -> None:
        async def handle(envelope: Envelope, peer: Peer) -> None: ...

        self.broker = Broker(runtime, handle, kept_bytes=kept_bytes)
        self.asked: list[tuple[int, int | None]] = []

    def publish(self, number: int) -> None:
        self.broker.publish("test.number", {"number": number}, source="test")

    async def missed(self, source: str, after: int, before: int | None) -> AsyncIterator[Envelope]:
        self.asked.append((after, before))
        while before is None or after + 1 < before:
            limit = 1000 if before is None else min(before - after - 1, 1000)
            page = self.broker.history(source, after, limit)
            for one in page["events"]:
                yield Envelope(**one)
            if page["through"] in (after, page["newest"]):
                return
            after = page["through"]


async def heard(source: Source, runtime: Path) -> list[tuple[int, int]]:
    """What a subscriber hears that is slow while 12,000 events are published."""
    context = zmq.asyncio.Context()
    serving = asyncio.create_task(source.broker.serve_subscriptions())
    found: list[tuple[int, int]] = []
    stream = listen(context, runtime, source.missed)
    try:
        first = asyncio.ensure_future(anext(stream))
        while not first.done():  # its subscription takes a moment
            source.publish(-1)
            await asyncio.sleep(0.01)
        for number in range(COUNT):
            source.publish(number)  # the subscriber gets no turn meanwhile
        source.publish(COUNT)
        async for event, lost, _ in stream:
            found.append((event.body["number"], lost))
            if event.body["number"] == COUNT:
                return [one for one in found if one[0] >= 0]
        raise AssertionError("the stream ended")
    finally:
        await stream.aclose()
        serving.cancel()
        context.destroy(linger=0)
        source.broker.close()


def listened(kept_bytes: int) -> tuple[list[tuple[int, int]], Source]:
    async def run() -> tuple[list[tuple[int, int]], Source]:
        source = Source(runtime, kept_bytes)
        return await heard(source, runtime), source

    runtime = Path(tempfile.mkdtemp(prefix="btc-ai-s-", dir="/tmp"))
    try:
        return asyncio.run(asyncio.wait_for(run(), 60))
    finally:
        shutil.rmtree(runtime)


def test_a_slow_subscriber_gets_what_it_missed_from_the_history() -> None:
    found, source = listened(32 << 20)
    assert [number for number, _ in found] == list(range(COUNT + 1))
    assert all(lost == 0 for _, lost in found)
    assert source.asked, "nothing was missed: this tests nothing"


def test_what_the_history_holds_no_more_is_counted() -> None:
    found, _ = listened(200_000)
    numbers = [number for number, _ in found]
    assert numbers == sorted(set(numbers)) and numbers[-1] == COUNT
    assert len(numbers) + sum(lost for _, lost in found) == COUNT + 1
    assert len(numbers) < COUNT


def test_no_welcome_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("btc_ai.bus.subscriber.WELCOME_LIMIT_S", 0.1)

    async def run() -> None:
        context = zmq.asyncio.Context()
        try:
            await anext(listen(context, tmp_path, Source.missed.__get__(object())))
        finally:
            context.destroy(linger=0)

    with pytest.raises(BusError, match="does not answer"):
        asyncio.run(run())


@pytest.mark.parametrize(
    ("of_this_epoch", "kept_bytes", "expected"),
    [
        (True, 32 << 20, [(number, 0) for number in range(4, 11)]),
        (False, 32 << 20, [(number, 0) for number in range(1, 11)]),
        (True, 1500, [(7, 3), (8, 0), (9, 0), (10, 0)]),
    ],
    ids=["goes on", "the daemon has started anew", "the history is too short"],
)
def test_a_subscriber_goes_on_after_a_position(
    tmp_path: Path, of_this_epoch: bool, kept_bytes: int, expected: list[tuple[int, int]]
) -> None:
    async def run() -> list[tuple[int, int]]:
        source = Source(runtime, kept_bytes)
        context = zmq.asyncio.Context()
        serving = asyncio.create_task(source.broker.serve_subscriptions())
        try:
            for number in range(1, 11):
                source.publish(number)
            epoch = source.broker._epoch if of_this_epoch else "another"
            stream = listen(context, runtime, source.missed, Position(epoch, {"test": 3}))
            found = [await anext(stream) for _ in expected]
            source.publish(11)
            assert (await anext(stream)).event.seq == 11
            await stream.aclose()
            return [(one.event.seq, one.lost) for one in found]
        finally:
            serving.cancel()
            context.destroy(linger=0)
            source.broker.close()

    runtime = Path(tempfile.mkdtemp(prefix="btc-ai-s-", dir="/tmp"))
    try:
        assert asyncio.run(asyncio.wait_for(run(), 20)) == expected
    finally:
        shutil.rmtree(runtime)
