"""A third-party plugin in a process of its own: it can do what one in the daemon can."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from btc_ai.api.messages import Event
from btc_ai.api.service import Call, Command
from btc_ai.bus.codec import Envelope, decode, encode
from btc_ai.config import Config, Monitoring, PluginSection, Supervision
from btc_ai.daemon.bus_commands import BusCommands
from btc_ai.daemon.commands import DaemonCommands, Nothing
from btc_ai.daemon.hosting.context import Parts
from btc_ai.daemon.hosting.host import PluginHost
from btc_ai.daemon.hosting.record import Record
from btc_ai.daemon.reload import Reload
from btc_ai.daemon.systemd import Notifier
from btc_ai.errors import BtcAiError, PluginError
from btc_ai.journal import SqliteJournal
from btc_ai.paths import journal_file
from tests.api.conftest import Site
from tests.daemon.conftest import REPOSITORY, Floor, alive, children, descriptors, floor, until

Body = dict[str, Any]
CALL = Call("1", "test", who="a tester")
CODE = """
import asyncio, os, sys
from btc_ai.api import hookimpl
from btc_ai.api.messages import Event
from btc_ai.api.service import Command
from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")
    word: str = "well"
    secret: str = "hidden"


class Ask(BaseModel):
    model_config = ConfigDict(extra="forbid")
    what: str = ""
    kind: str = ""
    body: dict = {}


class News(Event):
    kind = "apart.news"
    text: str


class Foreign(Event):
    kind = "training.run"
    text: str


class Unnamed(Event):
    kind = "apart.unnamed"


class Service:
    def __init__(self, context):
        self.context, self.heard, self.said, self.shown = context, [], [], None

    def commands(self):
        return [
            Command("apart.ask", Ask, self.ask),
            Command("apart.look", Ask, self.look, role="viewer"),
        ]

    async def look(self, body, call):
        return {"pid": os.getpid(), "heard": self.heard, "word": self.context.settings.word,
                "models": str(self.context.config.MODELS_DIR), "who": call.who, "said": self.said}

    async def ask(self, body, call):
        if body.what == "publish":
            for kind in (News, Foreign, Unnamed):
                if kind.kind == body.kind:
                    self.context.publish(kind(**body.body), parent_id=call.id)
        if body.what == "forge":
            self.context._link.tell("plugin.event", {"kind": body.kind, "body": body.body})
        if body.what == "call":
            return await self.context.call(body.kind, body.body)
        if body.what == "forge-call":
            return await self.context._call(body.kind, body.body)
        if body.what == "garbage":
            self.context._link.tell("plugin.event", {"neither": 1})
            self.context._link.tell("plugin.alive", {})
            return await self.context._link.ask("plugin.worker_run", {})
        if body.what == "work":
            worker = self.context.worker("apart.work")
            try:
                return await worker.run(body.kind, body.body, self.said.append)
            finally:
                await worker.close()
        if body.what == "impatient":
            worker = self.context.worker("apart.work")
            first = asyncio.create_task(worker.run(body.kind, body.body, self.said.append))
            while not self.said:
                await asyncio.sleep(0.01)
            first.cancel()
            try:
                return await worker.run("tests.daemon.steps:double", {"value": 4}, self.said.append)
            finally:
                await worker.close()
        if body.what == "begin":
            self.worker = self.context.worker("apart.work")
            self.context.spawn("work", self.work(body))
        if body.what == "journal":
            job = self.context.journal.add("apart", {"x": 1}, [("one", {})], call.id)
            return {"job": job.id, "jobs": len(self.context.journal.jobs("apart"))}
        if body.what == "show":
            self.shown = {"deep": {}}
            for _ in range(body.body.get("levels", 0)):
                self.shown = {"deep": self.shown}
            self.shown["text"] = "x" * body.body.get("length", 0)
        if body.what == "many":
            slow = {"kind": "apart.ask", "body": {"what": "sleep"}}
            asked = [self.context._link.ask("plugin.call", slow) for _ in range(100)]
            found = await asyncio.gather(*asked, return_exceptions=True)
            return {"codes": sorted({getattr(one, "code", "done") for one in found})}
        if body.what == "sleep":
            await asyncio.sleep(1)
        if body.what == "hang":
            import time
            time.sleep(body.body["seconds"])
        if body.what == "exit":
            os._exit(9)
        return {}

    async def work(self, body):
        await self.worker.run(body.kind, body.body, self.said.append)

    async def start(self):
        self.context.spawn("listen", self.listen())

    async def listen(self):
        async for event in self.context.subscribe("test.*"):
            self.heard.append([event.kind, event.body["number"], event.lost])

    async def stop(self):
        pass

    def status(self):
        return self.shown or {"heard": len(self.heard)}


@hookimpl
def btc_ai_settings():
    return Settings


@hookimpl
def btc_ai_messages():
    return [News, Foreign]


@hookimpl
def btc_ai_service(context):
    return Service(context)


plugin = sys.modules[__name__]
"""


class Number(Event):
    kind = "test.number"

    number: int


Work = Callable[[PluginHost, Floor, Parts], Awaitable[None]]


@pytest.fixture(autouse=True)
def found_by_children(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(REPOSITORY), str(site.folder)]))


def hosted(tmp_path: Path, work: Work, **section: Any) -> None:
    runtime = Path(tempfile.mkdtemp(prefix="btc-ai-p-", dir="/tmp"))
    models = tmp_path / "Models"
    models.mkdir()
    journal = SqliteJournal(journal_file(models))

    async def run() -> None:
        async with floor(runtime) as here:
            config = Config(
                MODELS_DIR=models,
                MONITORING=Monitoring(ENABLED=False),
                PLUGINS={"apart": PluginSection.model_validate(section)},
            )
            parts = Parts(config, None, runtime, journal, here.broker, here.dispatcher, here.logs)
            bus = BusCommands(here.broker, here.dispatcher, tmp_path, None)
            here.dispatcher.add(bus.commands())
            host = PluginHost(parts, stop_limit_s=2.0)
            try:
                await host.start()
                await work(host, here, parts)
            finally:
                await host.stop()
        assert children() == []
        assert not list(runtime.glob("plugin-*"))

    try:
        asyncio.run(asyncio.wait_for(run(), 90))
    finally:
        journal.close()
        shutil.rmtree(runtime)


def record(host: PluginHost) -> Record:
    return host.record("apart")


async def ask(here: Floor, what: str = "", kind: str = "", **body: Any) -> Body:
    sent = {"what": what, "kind": kind, "body": body}
    return await here.dispatcher.answer("apart.ask", sent, CALL)


async def look(here: Floor) -> Body:
    return await here.dispatcher.answer("apart.look", {}, CALL)


def test_it_runs_apart_and_answers(site: Site, tmp_path: Path) -> None:
    package = site.install("apart", CODE)

    async def work(host: PluginHost, here: Floor, parts: Parts) -> None:
        seen = await look(here)
        assert seen["pid"] == record(host).as_body()["pid"] != os.getpid()
        assert package not in sys.modules
        assert seen["who"] == "a tester"
        assert seen["models"] == str(parts.config.MODELS_DIR)
        with pytest.raises(BtcAiError, match="extra: Extra inputs"):
            await here.dispatcher.answer("apart.ask", {"extra": 1}, CALL)
        described = record(host).described()
        assert [one["kind"] for one in described["commands"]] == ["apart.ask", "apart.look"]
        assert [one["role"] for one in described["commands"]] == ["operator", "viewer"]
        assert "word" in described["settings"]["properties"]

    hosted(tmp_path, work)


def test_its_settings_are_its_own_models(site: Site, tmp_path: Path) -> None:
    site.install("apart", CODE)

    async def work(host: PluginHost, here: Floor, parts: Parts) -> None:
        assert (await look(here))["word"] == "fine"

    hosted(tmp_path, work, SETTINGS={"word": "fine"})


def test_wrong_settings_are_named_and_not_repeated(site: Site, tmp_path: Path) -> None:
    site.install("apart", CODE)

    async def work(host: PluginHost, here: Floor, parts: Parts) -> None:
        await until(lambda: record(host).state == "broken")
        assert "SETTINGS.wrod" in record(host).detail
        assert "SETTINGS.secret" in record(host).detail
        assert "4711" not in record(host).detail
        with pytest.raises(PluginError, match="is broken"):
            await look(here)

    hosted(tmp_path, work, SETTINGS={"wrod": "fine", "secret": 4711})


def test_it_hears_what_is_published_in_order(site: Site, tmp_path: Path) -> None:
    site.install("apart", CODE)

    async def work(host: PluginHost, here: Floor, parts: Parts) -> None:
        seen: Body = {"heard": []}
        while not seen["heard"]:  # its subscription takes a moment
            parts.announce(Number(number=-1), source="test")
            seen = await look(here)
        for number in range(2000):
            parts.announce(Number(number=number), source="test")
        while seen["heard"][-1][1] != 1999:
            seen = await look(here)
        numbers = [number for _, number, _ in seen["heard"] if number >= 0]
        assert numbers == list(range(2000))
        assert all(lost == 0 for _, _, lost in seen["heard"])

    hosted(tmp_path, work)


def test_it_publishes_its_own_events_and_no_others(site: Site, tmp_path: Path) -> None:
    site.install("apart", CODE)

    async def work(host: PluginHost, here: Floor, parts: Parts) -> None:
        await ask(here, "publish", "apart.news", text="new")
        last = [one["kind"] for one in decode(parts.broker.welcome()).body["last"]]
        assert "apart.news" in last
        for kind, body in (("training.run", {"text": "forged"}), ("apart.unnamed", {})):
            with pytest.raises(BtcAiError, match=r"cannot publish|btc_ai_messages lacks"):
                await ask(here, "publish", kind, **body)
            await ask(here, "forge", kind, **body)
        await look(here)
        last = [one["kind"] for one in decode(parts.broker.welcome()).body["last"]]
        assert "training.run" not in last and "apart.unnamed" not in last

    hosted(tmp_path, work)


def test_it_sends_what_its_manifest_permits_and_no_more(site: Site, tmp_path: Path) -> None:
    site.install("apart", CODE, manifest={"permissions": {"commands": ["training.runs"]}})

    async def work(host: PluginHost, here: Floor, parts: Parts) -> None:
        assert await ask(here, "call", "training.runs") == {"runs": []}
        stopped = []

        async def stop(body: Nothing, call: Call) -> Body:
            stopped.append(call)
            return {}

        here.dispatcher.add([Command("daemon.stop", Nothing, stop)])
        for way in ("call", "forge-call"):
            with pytest.raises(BtcAiError, match=r"cannot send daemon\.stop"):
                await ask(here, way, "daemon.stop")
        assert stopped == []

    hosted(tmp_path, work)


def test_garbage_on_the_link_harms_nobody(site: Site, tmp_path: Path) -> None:
    site.install("apart", CODE)

    async def work(host: PluginHost, here: Floor, parts: Parts) -> None:
        with pytest.raises(BtcAiError, match="KeyError"):
            await ask(here, "garbage")
        assert (await look(here))["word"] == "well"

    hosted(tmp_path, work)


def test_it_has_workers_and_hears_their_progress(site: Site, tmp_path: Path) -> None:
    site.install("apart", CODE)

    async def work(host: PluginHost, here: Floor, parts: Parts) -> None:
        assert await ask(here, "work", "tests.daemon.steps:count", n=3) == {}
        assert (await look(here))["said"] == [{"number": number} for number in range(3)]

    hosted(tmp_path, work)


def test_stopped_while_its_process_is_made(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("btc_ai.daemon.hosting.process.END_LIMIT_S", 60)
    site.install("apart", CODE)

    async def work(host: PluginHost, here: Floor, parts: Parts) -> None:
        while not list(here.runtime.glob("plugin-*")):
            await asyncio.sleep(0)
        await asyncio.wait_for(host.stop(), 30)

    hosted(tmp_path, work)


def test_a_step_it_waits_for_no_more_is_ended(site: Site, tmp_path: Path) -> None:
    site.install("apart", CODE)

    async def work(host: PluginHost, here: Floor, parts: Parts) -> None:
        asked = ask(here, "impatient", "tests.daemon.steps:until_stopped")
        assert (await asyncio.wait_for(asked, 20))["value"] == 8

    hosted(tmp_path, work)


def test_its_workers_end_with_it(site: Site, tmp_path: Path) -> None:
    site.install("apart", CODE)

    async def work(host: PluginHost, here: Floor, parts: Parts) -> None:
        await ask(here, "begin", "tests.daemon.steps:until_stopped")
        pid = record(host).as_body()["pid"]
        await until(lambda: [one for one in children() if one != pid])
        worker = next(one for one in children() if one != pid)
        with pytest.raises(BtcAiError, match="has died"):
            await ask(here, "exit")
        await until(lambda: not alive(worker))
        await until(lambda: record(host).as_body()["pid"] not in (None, pid))
        await until(lambda: record(host).state == "ready")
        assert (await look(here))["pid"] != pid
        assert record(host).as_body()["deaths"] == {"exit code 9": 1}

    hosted(tmp_path, work)


def test_it_writes_the_same_journal(site: Site, tmp_path: Path) -> None:
    site.install("apart", CODE)

    async def work(host: PluginHost, here: Floor, parts: Parts) -> None:
        made = await ask(here, "journal")
        assert parts.journal.job(made["job"]).steps[0].name == "one"

    hosted(tmp_path, work)


def test_it_is_given_up_after_five_deaths_and_can_be_enabled_again(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("btc_ai.daemon.children.deaths.MAX_DELAY_S", 0.05)
    site.install("apart", CODE)

    async def work(host: PluginHost, here: Floor, parts: Parts) -> None:
        before = descriptors()
        for _ in range(5):
            await until(lambda: record(host).state == "ready")
            with pytest.raises(BtcAiError):
                await ask(here, "exit")
            await until(lambda: record(host).state != "ready")
        await until(lambda: record(host).state == "failed")
        assert "5 × exit code 9" in record(host).detail
        with pytest.raises(PluginError, match="btc-ai plugins enable apart"):
            await look(here)
        assert descriptors() <= before
        await host.enable("apart")
        assert (await look(here))["word"] == "well"

    hosted(tmp_path, work)


def test_it_is_stalled_and_ready_again(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = Supervision(STALLED_AFTER=2, KILL_STALLED_AFTER=60)
    monkeypatch.setattr("btc_ai.daemon.hosting.process.SILENCE", limits)
    site.install("apart", CODE)

    async def work(host: PluginHost, here: Floor, parts: Parts) -> None:
        pid = (await look(here))["pid"]
        asked = asyncio.create_task(ask(here, "hang", seconds=4))
        await until(lambda: record(host).state == "stalled")
        assert "has said nothing for 2 s" in record(host).detail
        await asked
        await until(lambda: record(host).state == "ready")
        assert (await look(here))["pid"] == pid

    hosted(tmp_path, work)


def test_it_is_killed_once_its_silence_has_lasted(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = Supervision(STALLED_AFTER=2, KILL_STALLED_AFTER=3)
    monkeypatch.setattr("btc_ai.daemon.hosting.process.SILENCE", limits)
    site.install("apart", CODE)

    async def work(host: PluginHost, here: Floor, parts: Parts) -> None:
        pid = (await look(here))["pid"]
        states: list[str] = []
        change = host._set

        def note(one: Record, state: str, detail: str) -> None:
            states.append(state)
            change(one, state, detail)

        monkeypatch.setattr(host, "_set", note)
        with pytest.raises(BtcAiError, match="has died"):
            await ask(here, "hang", seconds=60)
        assert (await look(here))["pid"] != pid
        assert states == ["stalled", "restarting", "ready"]
        assert record(host).as_body()["deaths"] == {"silent for 3 s": 1}

    hosted(tmp_path, work)


def test_disabled_and_enabled_again(site: Site, tmp_path: Path) -> None:
    site.install("apart", CODE)

    async def work(host: PluginHost, here: Floor, parts: Parts) -> None:
        pid = (await look(here))["pid"]
        await host.disable("apart")
        assert not alive(pid)
        with pytest.raises(PluginError, match="the plugin apart is disabled"):
            await look(here)
        await host.enable("apart")
        assert (await look(here))["pid"] != pid

    hosted(tmp_path, work)


def test_one_that_disables_itself_is_disabled(site: Site, tmp_path: Path) -> None:
    site.install("apart", CODE, manifest={"permissions": {"commands": ["daemon.disable"]}})

    async def work(host: PluginHost, here: Floor, parts: Parts) -> None:
        reload = Reload(parts.config, None, Notifier(), here.log)
        own = DaemonCommands(parts, host, reload, asyncio.Event(), managed=False)
        here.dispatcher.add(own.commands())
        pid = (await look(here))["pid"]
        sent = {"what": "call", "kind": "daemon.disable", "body": {"plugin": "apart"}}
        asking = asyncio.create_task(here.dispatcher.answer("apart.ask", sent, CALL))
        await until(lambda: record(host).state == "disabled")
        assert not alive(pid)
        with pytest.raises(BtcAiError):
            await asking

    hosted(tmp_path, work)


def test_one_without_a_service_is_not_imported(site: Site, tmp_path: Path) -> None:
    site.install("apart", "1 / 0", manifest={"service": False})

    async def work(host: PluginHost, here: Floor, parts: Parts) -> None:
        assert record(host).state == "idle" and children() == []

    hosted(tmp_path, work)


def test_one_that_is_disabled_is_not_started(site: Site, tmp_path: Path) -> None:
    site.install("apart", CODE)

    async def work(host: PluginHost, here: Floor, parts: Parts) -> None:
        assert record(host).state == "disabled" and children() == []

    hosted(tmp_path, work, ENABLED=False)


def test_a_changed_section_starts_it_anew(site: Site, tmp_path: Path) -> None:
    site.install("apart", CODE)

    async def work(host: PluginHost, here: Floor, parts: Parts) -> None:
        pid = (await look(here))["pid"]
        host.apply(parts.config)
        assert (await look(here))["pid"] == pid
        section = PluginSection(SETTINGS={"word": "changed"})
        host.apply(parts.config.model_copy(update={"PLUGINS": {"apart": section}}))
        await until(lambda: record(host).section == section and record(host).state == "ready")
        assert (await look(here))["word"] == "changed"

    hosted(tmp_path, work)


@pytest.mark.parametrize("shown", [{"levels": 12}, {"length": 200_000}])
def test_a_status_that_is_too_much_hides_no_other(site: Site, tmp_path: Path, shown: Body) -> None:
    site.install("apart", CODE)

    async def work(host: PluginHost, here: Floor, parts: Parts) -> None:
        await look(here)
        await ask(here, "show", **shown)
        await until(lambda: "error" in record(host).as_body()["status"])
        answer = {"plugins": [one.as_body() for one in host.records]}
        encode(Envelope("reply.result", answer, "daemon"))

    hosted(tmp_path, work)


def test_more_requests_than_can_be_answered_are_refused(site: Site, tmp_path: Path) -> None:
    site.install("apart", CODE)

    async def work(host: PluginHost, here: Floor, parts: Parts) -> None:
        assert "busy" in (await ask(here, "many"))["codes"]
        assert (await look(here))["word"] == "well"

    hosted(tmp_path, work)


LIES = {
    "another's command": ("[dict(row, kind='training.start')]", "a command begins with apart."),
    "twice": ("[row, row]", "is offered twice"),
    "no role": ("[dict(row, role='king')]", "describes itself wrongly"),
    "no list": ("7", "describes itself wrongly"),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_it_says_of_itself_is_not_believed(site: Site, tmp_path: Path, lie: str) -> None:
    told, words = LIES[lie]
    site.install(
        "apart",
        f"{CODE}\nchild = sys.modules['__main__']\nrow = dict(kind='apart.x', timeout=1.0, "
        "role='viewer', schema={})\nchild.description = lambda loaded: dict(commands="
        f"{told}, events=[], panels=[], settings=None, runs=True)\n",
    )

    async def work(host: PluginHost, here: Floor, parts: Parts) -> None:
        await until(lambda: record(host).state == "broken")
        assert words in record(host).detail
        assert "runs" in await here.dispatcher.answer("training.runs", {}, CALL)

    hosted(tmp_path, work)


def test_it_does_not_see_the_settings_of_others(site: Site, tmp_path: Path) -> None:
    code = CODE.replace('"who": call.who', '"who": self.context.config.PLUGINS["other"].SETTINGS')
    site.install("apart", code)

    async def work(host: PluginHost, here: Floor, parts: Parts) -> None:
        other = PluginSection(SETTINGS={"token": "hush"})
        sections = {"apart": PluginSection(SETTINGS={"word": "new"}), "other": other}
        host.apply(parts.config.model_copy(update={"PLUGINS": sections}))
        await until(lambda: record(host).section == sections["apart"])
        seen = await look(here)
        assert (seen["word"], seen["who"]) == ("new", {})

    hosted(tmp_path, work)


def test_steered_from_two_sides_at_once_it_runs_once(site: Site, tmp_path: Path) -> None:
    site.install("apart", CODE)

    async def work(host: PluginHost, here: Floor, parts: Parts) -> None:
        await look(here)
        sections = [PluginSection(SETTINGS={"word": word}) for word in "abc"]
        for section in sections:
            host.apply(parts.config.model_copy(update={"PLUGINS": {"apart": section}}))
        await asyncio.gather(host.enable("apart"), host.disable("apart"), host.enable("apart"))
        await until(lambda: record(host).state in ("ready", "disabled"))
        await host.enable("apart")
        assert (await look(here))["pid"] == children()[0]
        assert len(children()) == 1

    hosted(tmp_path, work)
