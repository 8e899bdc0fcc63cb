"""The event history, and subscribers that catch up from it."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_ai.bus.broker import MAX_PAGE
from btc_ai.bus.client import Client, Subscription
from btc_ai.bus.codec import MAX_DEPTH, MAX_TEXT
from btc_ai.bus.history import OVERHEAD, History
from btc_ai.bus.subscriber import kept_between
from btc_ai.daemon.bus_commands import BusCommands
from tests.bus.conftest import Hub


@settings(derandomize=True, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 300)), max_size=60),
    after=st.integers(0, 40), limit=st.integers(1, 20),
)  # fmt: skip
def test_it_holds_the_newest_that_fit(sizes: list[tuple[str, int]], after: int, limit: int) -> None:
    history, room = History(4000), 4000
    added: dict[str, list[tuple[int, bytes]]] = {"a": [], "b": []}
    for source, size in sizes:
        added[source].append((len(added[source]) + 1, bytes(size)))
        history.add(source, *added[source][-1])
    kept = {source: history.after(source, 0, 100) for source in added}
    costs = {source: sum(OVERHEAD + len(one[1]) for one in kept[source]) for source in kept}
    assert sum(costs.values()) <= room
    for source, every in added.items():
        assert kept[source] == every[len(every) - len(kept[source]) :]
        if kept[source] != every:  # some went, for it had more than its share
            lost = every[-len(kept[source]) - 1]
            assert costs[source] + OVERHEAD + len(lost[1]) > room / 2
        expected = [one for one in kept[source] if one[0] > after]
        assert history.after(source, after, limit) == expected[:limit]


def test_a_flood_of_one_source_costs_the_others_nothing() -> None:
    history = History(100_000)
    history.add("quiet", 1, b"x")
    for seq in range(1, 5000):
        history.add("noisy", seq, bytes(100))
    assert history.after("quiet", 0, 9) == [(1, b"x")]
    assert history.after("noisy", 0, 1)[0][0] > 4000


@pytest.fixture
def recorded(hub: Hub) -> Hub:
    hub.add(*BusCommands(hub.broker, hub.dispatcher, Path("/"), None).commands())
    return hub


def flood(hub: Hub, count: int, pad: int = 500) -> None:
    async def flood() -> None:
        for number in range(count):
            hub.broker.publish("a.b", {"number": number, "pad": "x" * pad}, source="a")

    hub.do(flood(), 60)


def until_quiet(feed: Subscription) -> tuple[list[int], int]:
    """The numbers that came until it was quiet, and how often something was lost for good."""
    numbers: list[int] = []
    losses = 0
    for event, lost in feed.events(idle=0.5):
        losses += lost
        if event is None:
            return numbers, losses
        numbers.append(event.body["number"])
    raise AssertionError


def test_a_slow_subscriber_catches_up_completely(recorded: Hub) -> None:
    with Client(recorded.runtime) as client:
        feed = client.subscribe("a.")
        flood(recorded, 20_000)
        seen = []
        while feed._socket.poll(200):  # what has come by itself: the rest was lost on the way
            seen.append(feed.receive(0))
        assert 0 < len(seen) < 20_000
    with Client(recorded.runtime) as client:
        feed = client.subscribe("a.")
        flood(recorded, 20_000)
        assert until_quiet(feed) == (list(range(20_000)), 0)


def test_the_last_events_are_caught_up_too(recorded: Hub) -> None:
    with Client(recorded.runtime) as client:
        feed = client.subscribe("a.")
        recorded.publish("a.b", source="a", number=0)
        events = feed.events(idle=0.3)
        assert next(events)[0].body == {"number": 0}  # type: ignore[union-attr]
        recorded.do(_unheard(recorded, 3))
        assert [next(events)[0].body["number"] for _ in range(3)] == [0, 1, 2]  # type: ignore[union-attr]
        assert next(events) == (None, False)


async def _unheard(hub: Hub, count: int) -> None:
    """Publish what does not reach the socket."""
    outlets, hub.broker._outlets = hub.broker._outlets, []
    for number in range(count):
        hub.broker.publish("a.b", {"number": number}, source="a")
    hub.broker._outlets = outlets


def test_what_the_history_no_longer_holds_is_told_once_a_gap(
    runtime: Path, make_hub: Callable[..., Hub]
) -> None:
    hub = make_hub(runtime, kept_bytes=500 * (OVERHEAD + 700))
    try:
        hub.add(*BusCommands(hub.broker, hub.dispatcher, Path("/"), None).commands())
        with Client(runtime) as client:
            feed = client.subscribe("a.")
            flood(hub, 20_000)
            numbers, losses = until_quiet(feed)
        gaps = sum(after > before + 1 for before, after in pairwise([-1, *numbers]))
        assert losses == gaps >= 1  # as many as the subscriber's side got no turn to take some in
        assert numbers[-500:] == list(range(19_500, 20_000))
        assert numbers == sorted(set(numbers)) and len(numbers) < 20_000
    finally:
        hub.close()


def test_a_gap_that_is_forgotten_is_not_filled_with_what_came_after(
    runtime: Path, make_hub: Callable[..., Hub]
) -> None:
    """That will come by itself, and would be taken twice, or take the place of what is between."""
    hub = make_hub(runtime, kept_bytes=10 * (OVERHEAD + 700))
    hub.add(*BusCommands(hub.broker, hub.dispatcher, Path("/"), None).commands())
    flood(hub, 100)
    try:
        with Client(runtime) as client:

            async def call(kind: str, body: dict[str, Any]) -> dict[str, Any]:
                return client.call(kind, body)

            async def kept(before: int | None) -> list[int]:
                return [one.seq async for one in kept_between(call, "a", 10, before)]

            assert asyncio.run(kept(20)) == []
            assert asyncio.run(kept(None))[-1] == 100
            assert list(client.subscribe("a.")._missed("a", 10, 20)) == []
    finally:
        hub.close()


def test_only_what_was_subscribed_to_is_caught_up(recorded: Hub) -> None:
    with Client(recorded.runtime) as client:
        feed = client.subscribe("a.x")
        for number, kind in enumerate(("a.x", "a.y", "a.y", "a.x")):
            recorded.publish(kind, source="a", number=number)
        assert until_quiet(feed) == ([0, 3], 0)


def test_pages(recorded: Hub) -> None:
    for number in range(8):
        parts = ["x" * (MAX_TEXT - 100)] * 2
        recorded.publish("a.b", source="a", number=number, parts=parts)
    with Client(recorded.runtime) as client:
        after, numbers = 0, []
        while True:
            page = client.call("daemon.events", {"source": "a", "after": after})
            assert page["complete"] and page["newest"] == 8
            assert len(page["events"]) <= 1 + MAX_PAGE // MAX_TEXT
            numbers += [one["body"]["number"] for one in page["events"]]
            if page["through"] == page["newest"]:
                break
            after = page["through"]
        assert numbers == list(range(8))
        beyond = client.call("daemon.events", {"source": "a", "after": 99})
        assert beyond == {"events": [], "through": 8, "complete": False, "newest": 8}
        unknown = client.call("daemon.events", {"source": "b", "after": 0})
        assert unknown == {"events": [], "through": 0, "complete": True, "newest": 0}


def test_an_event_that_no_reply_can_hold_is_passed_over(recorded: Hub) -> None:
    deep: Any = []
    for _ in range(MAX_DEPTH - 3):
        deep = [deep]
    recorded.publish("a.b", source="a", number=0)
    recorded.publish("a.b", source="a", deep=deep)
    recorded.publish("a.b", source="a", parts=["x" * (MAX_TEXT - 100)] * 4)
    recorded.publish("a.b", source="a", number=3)
    with Client(recorded.runtime) as client:
        page = client.call("daemon.events", {"source": "a"})
        through = [one["seq"] for one in page["events"]]
        while page["through"] < page["newest"]:
            assert through == [1] or not page["events"]
            page = client.call("daemon.events", {"source": "a", "after": page["through"]})
            through += [one["seq"] for one in page["events"]]
    assert through == [1, 4]


def test_a_daemon_that_was_restarted(runtime: Path, make_hub: Callable[..., Hub]) -> None:
    first = make_hub(runtime)
    with Client(runtime) as client:
        feed = client.subscribe("a.")
        for number in range(3):
            first.publish("a.b", source="a", number=number)
        events = feed.events(idle=0.2)
        assert [next(events)[0].body["number"] for _ in range(3)] == [0, 1, 2]  # type: ignore[union-attr]
        first.close()
        second = make_hub(runtime)
        try:
            second.add(*BusCommands(second.broker, second.dispatcher, Path("/"), None).commands())
            second.publish("a.b", source="a", number=10)
            second.publish("a.b", source="a", number=11)
            got: list[int] = []
            losses = 0
            while len(got) < 2:
                event, lost = next(events)
                losses += lost
                got += [event.body["number"]] if event is not None else []
            assert got == [10, 11] and losses >= 1
        finally:
            second.close()
