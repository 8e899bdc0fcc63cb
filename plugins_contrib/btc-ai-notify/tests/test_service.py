"""The service over a fake context and real servers: what is retried, dropped and shown."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from btc_ai_notify.service import NotifyService
from btc_ai_notify.settings import Settings
from servers import HttpServer, free_port, http_server

from btc_ai.api.errors import UsageError
from btc_ai.api.testing import FakeContext, ask

Body = dict[str, Any]
Work = Callable[[FakeContext, NotifyService], Awaitable[None]]


def serve(settings: Body, work: Work, plugins: list[Body] | None = None) -> None:
    quick = {"first_delay_s": 0.01, "max_delay_s": 0.02, "timeout_s": 20, **settings}

    async def run() -> None:
        context = FakeContext(
            "notify", settings=Settings.model_validate(quick), may_send=["daemon.status"]
        )
        context.answers["daemon.status"] = lambda body: {"plugins": plugins or []}
        service = NotifyService(context, look_after_s=0.0)
        await service.start()
        try:
            await work(context, service)
        finally:
            await service.stop()
            await context.close()
        assert "hush" not in str(context.log.kept) + str(service.status())

    asyncio.run(asyncio.wait_for(run(), 60))


def hook(port: int, name: str = "hook", **more: Any) -> Body:
    return {"name": name, "secret_url": f"http://127.0.0.1:{port}/hush", **more}


async def plugin(context: FakeContext, name: str, state: str) -> None:
    await context.hear("plugin.state", {"name": name, "state": state, "detail": "why"})


async def until(what: Callable[[], bool]) -> None:
    while not what():
        await asyncio.sleep(0.01)


def test_what_fails_is_tried_again_until_it_gets_through() -> None:
    async def work(context: FakeContext, service: NotifyService) -> None:
        server.answers = [500, None, 503]  # the second attempt is never answered
        await plugin(context, "mine", "broken")
        await until(lambda: service.status()["hook"]["sent"] == 1)
        box = service.status()["hook"]
        assert len(server.posts) == 4
        assert (box["failed"], box["waiting"], box["last_error"]) == (0, 0, None)

    with http_server() as server:
        serve({"webhooks": [hook(server.port)], "timeout_s": 0.5}, work)


def test_what_never_gets_through_is_given_up_and_said() -> None:
    async def work(context: FakeContext, service: NotifyService) -> None:
        await plugin(context, "mine", "broken")
        await until(lambda: service.status()["hook"]["failed"] == 1)
        error = "plugin_failed: Connection refused"
        assert service.status()["hook"]["last_error"] == error
        assert ("warning", "notification not sent", {"channel": "hook", "reason": error}) in (
            context.log.kept
        )

    serve({"webhooks": [hook(free_port())], "attempts": 3}, work)


def test_what_the_other_side_blames_on_the_message_is_not_tried_again() -> None:
    async def work(context: FakeContext, service: NotifyService) -> None:
        server.answers = [404]
        await plugin(context, "one", "broken")
        await plugin(context, "two", "failed")
        await until(lambda: service.status()["hook"]["sent"] == 1)
        assert service.status()["hook"]["failed"] == 1
        assert len(server.posts) == 2

    with http_server() as server:
        serve({"webhooks": [hook(server.port)]}, work)


def test_a_channel_that_hangs_holds_up_no_other_and_keeps_a_bounded_queue() -> None:
    async def work(context: FakeContext, service: NotifyService) -> None:
        slow.answers = [None]
        for number in range(6):
            await plugin(context, f"p{number}", "broken")
        await until(lambda: service.status()["fast"]["sent"] == 6)
        await until(lambda: len(slow.posts) == 1)
        box = service.status()["slow"]
        assert (box["sent"], box["waiting"], box["dropped"]) == (0, 2, 3)

    slow: HttpServer
    with http_server() as slow, http_server() as fast:
        channels = [hook(slow.port, "slow"), hook(fast.port, "fast")]
        # 6 at once: one is being sent, two wait, three were dropped for newer ones
        serve({"webhooks": channels, "queue": 2}, work_with_room(work))


def work_with_room(work: Work) -> Work:
    """The fast channel has the same short queue, so it is to have sent one before the next."""

    async def spaced(context: FakeContext, service: NotifyService) -> None:
        heard = context.hear

        async def hear(kind: str, body: Body, **more: Any) -> None:
            sent = service.status()["fast"]["sent"]
            await heard(kind, body, **more)
            await until(lambda: service.status()["fast"]["sent"] > sent)

        context.hear = hear  # type: ignore[method-assign]
        await work(context, service)

    return spaced


def test_a_channel_is_told_only_of_what_it_asks_for() -> None:
    async def work(context: FakeContext, service: NotifyService) -> None:
        await plugin(context, "mine", "broken")
        await context.hear("update.installed", {"version": "0.2.0"})
        await until(lambda: service.status()["all"]["sent"] == 2)
        await service.stop()
        assert service.status()["updates"]["sent"] == 1

    with http_server() as server:
        channels = [hook(server.port, "all"), hook(server.port, "updates", events=["update"])]
        serve({"webhooks": channels}, work)


def test_plugins_that_failed_before_it_listened_are_told_once() -> None:
    async def work(context: FakeContext, service: NotifyService) -> None:
        await until(lambda: service.status()["hook"]["sent"] == 1)
        await plugin(context, "bad", "broken")
        await plugin(context, "worse", "broken")
        await until(lambda: service.status()["hook"]["sent"] == 2)

    rows = [
        {"name": "bad", "state": "broken", "detail": "why"},
        {"name": "good", "state": "ready", "detail": ""},
    ]
    with http_server() as server:
        serve({"webhooks": [hook(server.port)]}, work, rows)
    assert len(server.posts) == 2


def test_the_test_says_what_becomes_of_each_channel() -> None:
    async def work(context: FakeContext, service: NotifyService) -> None:
        found = await ask(service, "notify.test")
        assert found == {"channels": {"good": None, "bad": "Connection refused"}}
        assert await ask(service, "notify.test", {"channel": "good"}) == {
            "channels": {"good": None}
        }
        with pytest.raises(UsageError, match="known are good, bad"):
            await ask(service, "notify.test", {"channel": "god"})

    with http_server() as server:
        serve({"webhooks": [hook(server.port, "good"), hook(free_port(), "bad")]}, work)


def test_without_a_channel_the_test_says_so() -> None:
    async def work(context: FakeContext, service: NotifyService) -> None:
        with pytest.raises(UsageError, match="there is no channel"):
            await ask(service, "notify.test")

    serve({}, work)
