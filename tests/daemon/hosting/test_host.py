import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from btc_ai.api.messages import Event
from btc_ai.api.service import Call
from btc_ai.config import Config, Monitoring, PluginSection
from btc_ai.daemon.dispatch import CommandError
from btc_ai.daemon.hosting.context import Parts
from btc_ai.daemon.hosting.host import PluginHost
from btc_ai.daemon.hosting.record import Record
from btc_ai.errors import PluginError
from btc_ai.journal import SqliteJournal
from tests.api.conftest import GOOD, Site
from tests.daemon.conftest import Floor, floor

Body = dict[str, object]
Work = Callable[[PluginHost, Floor], Awaitable[None]]
CALL = Call("1", "test")


class News(Event):
    kind = "able.news"


class Foreign(Event):
    kind = "training.run"


def hosted(tmp_path: Path, work: Work, stop_limit_s: float = 0.3) -> None:
    async def run() -> None:
        async with floor(runtime) as here:
            config = Config(
                MODELS_DIR=tmp_path / "Models",
                DATA_DIR=tmp_path / "Data",
                LOG_DIR=tmp_path / "Logs",
                MONITORING=Monitoring(ENABLED=False),
                PLUGINS={
                    name: PluginSection(ISOLATION="daemon")
                    for name in ("able", "after", "bad", "one", "two")
                },
            )
            parts = Parts(config, None, runtime, journal, here.broker, here.dispatcher, here.logs)
            host = PluginHost(parts, start_limit_s=0.5, stop_limit_s=stop_limit_s)
            try:
                await host.start()
                await work(host, here)
            finally:
                await host.stop()

    runtime = Path(tempfile.mkdtemp(prefix="btc-ai-h-", dir="/tmp"))
    journal = SqliteJournal(tmp_path / "journal.sqlite3")
    try:
        asyncio.run(asyncio.wait_for(run(), 30))
    finally:
        journal.close()
        shutil.rmtree(runtime)


def record(host: PluginHost, name: str) -> Record:
    return next(one for one in host.records if one.name == name)


def changed(name: str, old: str, new: str) -> str:
    code = GOOD.format(name=name)
    assert old in code
    return code.replace(old, new)


FAULTS = {
    # what is wrong: code, state, beginning of the detail
    "import": ("import no_such_module", "broken", "ModuleNotFoundError"),
    "syntax": ("def", "broken", "SyntaxError"),
    "exit": ("raise SystemExit(3)", "broken", "SystemExit: 3"),
    "no attribute": ("x = 1", "broken", "AttributeError"),
    "fault at import": ("1 / 0", "broken", "ZeroDivisionError"),
    "hook signature": (
        changed("bad", "btc_ai_service(context)", "btc_ai_service(context, more)"),
        "broken", "PluginValidationError",
    ),
    "unknown hook": (
        changed("bad", "def btc_ai_service", "def btc_ai_serivce"), "broken", "PluginValidation",
    ),
    "factory": (changed("bad", "return Service(context)", "1 / 0"), "broken", "ZeroDivision"),
    "factory exits": (
        changed("bad", "return Service(context)", "sys.exit(1)"), "broken", "SystemExit",
    ),
    "no service": (changed("bad", "return Service(context)", "return 42"), "broken", "Attribute"),
    "idle": (changed("bad", "return Service(context)", "return None"), "idle", ""),
    "command twice": (
        changed("bad", "self.ask)]", "self.ask)] * 2"), "broken", "PluginError: the comm",
    ),
    "another's command": (
        changed("bad", '"bad.ask"', '"training.start"'), "broken", "PluginError: offers",
    ),
    "start fails": (
        changed("bad", 'self.events.append("start")', "1 / 0"), "broken", "ZeroDivisionError",
    ),
    "start exits": (
        changed("bad", 'self.events.append("start")', "sys.exit(4)"), "broken", "PluginError",
    ),
    "start hangs": (
        changed("bad", 'self.events.append("start")', "import asyncio; await asyncio.sleep(99)"),
        "broken", "not ready within 0.5 s",
    ),
    "start hangs and will not end": (
        changed("bad", 'self.events.append("start")', """
        import asyncio, time
        end = time.monotonic() + 3
        while time.monotonic() < end:
            try:
                await asyncio.sleep(end - time.monotonic())
            except asyncio.CancelledError:
                pass
"""),
        "broken", "not ready within 0.5 s",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_plugin_is_a_status_and_harms_no_other(
    site: Site, tmp_path: Path, fault: str
) -> None:
    code, state, detail = FAULTS[fault]
    site.install("bad", code)
    site.install("after")
    site.install("able")

    async def work(host: PluginHost, here: Floor) -> None:
        bad = record(host, "bad")
        assert (bad.state, bad.detail.startswith(detail)) == (state, True), bad.detail
        assert bad.version == "1.2"
        for name in ("able", "after", "training", "transfer"):
            assert record(host, name).state == "ready", record(host, name).detail
        assert await here.dispatcher.answer("able.ask", {}, CALL) == {"answer": "able"}
        with pytest.raises((CommandError, PluginError)) as caught:
            await here.dispatcher.answer("bad.ask", {}, CALL)
        if fault.startswith("start"):
            assert "the plugin bad is broken" in str(caught.value)
        assert record(host, "bad").as_body()["status"] == {}

    hosted(tmp_path, work)


@pytest.mark.parametrize(
    ("manifest", "detail"),
    [(False, "has no btc_ai_plugin.json"), ("{", "cannot be used"), ({"api": ">=2"}, "works with")],
)
def test_refused_before_it_is_imported(
    site: Site, tmp_path: Path, manifest: object, detail: str
) -> None:
    package = site.install("bad", manifest=manifest)

    async def work(host: PluginHost, here: Floor) -> None:
        bad = record(host, "bad")
        assert bad.state == "refused" and detail in bad.detail
        assert package not in sys.modules
        assert record(host, "training").state == "ready"

    hosted(tmp_path, work)


def test_services_stop_side_by_side(site: Site, tmp_path: Path) -> None:
    """Each ends only once the other has begun to."""
    meet = (
        'import asyncio; both = sys.modules["plugin_one"].__dict__.setdefault("BOTH", [])\n'
        "        both.append(self)\n"
        "        while len(both) < 2: await asyncio.sleep(0.01)\n"
        '        self.events.append("stop")'
    )
    for name in ("one", "two"):
        site.install(name, changed(name, 'self.events.append("stop")', meet))

    async def work(host: PluginHost, here: Floor) -> None:
        services: list[Any] = [record(host, one).loaded.service for one in ("one", "two")]  # type: ignore[union-attr]
        await host.stop()
        assert [one.events[-1] for one in services] == ["stop", "stop"]

    hosted(tmp_path, work, stop_limit_s=10)


def test_started_in_order_and_stopped_in_reverse(site: Site, tmp_path: Path) -> None:
    for name in ("one", "two"):
        shared = 'sys.modules["plugin_one"].__dict__.setdefault("ALL", []).append'
        code = GOOD.format(name=name)
        for moment in ("start", "stop"):
            code = code.replace(
                f'self.events.append("{moment}")', f'{shared}("{name} {moment}")'
            )  # fmt: skip
        site.install(name, code)

    async def work(host: PluginHost, here: Floor) -> None:
        await host.stop()
        assert sys.modules["plugin_one"].__dict__["ALL"] == [
            "one start", "two start", "two stop", "one stop",
        ]  # fmt: skip
        states = {one.name: one.state for one in host.records}
        assert states.pop("monitoring") == states.pop("dashboard") == "disabled"
        assert set(states.values()) == {"stopped"}

    hosted(tmp_path, work)


@pytest.mark.parametrize(
    "code",
    [
        "1 / 0", "sys.exit(1)", "import asyncio; await asyncio.sleep(99)",
        "import asyncio; raise asyncio.CancelledError",
    ],
)  # fmt: skip
def test_fault_while_stopping(site: Site, tmp_path: Path, code: str) -> None:
    site.install("bad", changed("bad", 'self.events.append("stop")', code))
    site.install("able")

    async def work(host: PluginHost, here: Floor) -> None:
        began = time.monotonic()
        await host.stop()
        assert time.monotonic() - began < 5
        able = record(host, "able")
        assert able.state == "stopped"
        assert able.loaded is not None
        assert getattr(able.loaded.service, "events", None) == ["start", "stop"]

    hosted(tmp_path, work)


@pytest.mark.parametrize("code", ["1 / 0", "return 5", 'return {"x": float("nan")}', "sys.exit(1)"])
def test_fault_in_status(site: Site, tmp_path: Path, code: str) -> None:
    site.install("bad", changed("bad", 'return {"mood": "well"}', code))
    site.install("able")

    async def work(host: PluginHost, here: Floor) -> None:
        bodies = {one.name: one.as_body() for one in host.records}
        assert bodies["bad"]["status"].keys() == {"error"}
        assert bodies["able"]["status"] == {"mood": "well"}

    hosted(tmp_path, work)


def test_broken_start_leaves_no_task_behind(site: Site, tmp_path: Path) -> None:
    spawn = 'import asyncio; self.context.spawn("left", asyncio.sleep(99)); 1 / 0'
    site.install("bad", changed("bad", 'self.events.append("start")', spawn))

    async def work(host: PluginHost, here: Floor) -> None:
        assert record(host, "bad").state == "broken"
        assert not [one for one in asyncio.all_tasks() if one.get_name() == "bad: left"]

    hosted(tmp_path, work)


def test_context_keeps_to_its_own_name(site: Site, tmp_path: Path) -> None:
    site.install("able")

    async def work(host: PluginHost, here: Floor) -> None:
        context = record(host, "able").context
        assert context is not None
        with pytest.raises(PluginError, match="btc_ai_messages lacks"):
            context.publish(News())
        context.events = frozenset({News.kind, Foreign.kind})
        context.publish(News())
        with pytest.raises(PluginError, match="another's"):
            context.publish(Foreign())
        assert await context.call("able.ask", {}) == {"answer": "able"}
        with pytest.raises(CommandError, match="not a command"):
            await context.call("able.nothing", {})
        with pytest.raises(PluginError, match="cannot send"):
            await context.call("training.start", {})

    hosted(tmp_path, work)
