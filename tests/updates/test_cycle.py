"""The whole, by real commands: published, served, found, installed, rolled back, kept current."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import uv

from btc_ai.api import API_VERSION
from btc_ai.api.testing_daemon import wait_for
from btc_ai.updates.layout import Layout
from btc_ai.updates.order import read_progress
from tests.updates.built import build
from tests.updates.network.publishing import Publisher, Served, new_publisher, serving
from tests.updates.slots import Edit, Slots, replacing, write_wheel

pytestmark = pytest.mark.slow

MANIFEST = {"name": "tiny", "version": "1.0", "api": ">=1,<2", "description": "A test"}
SERVICE = """
from btc_ai.api import hookimpl
import sys

class Service:
    def commands(self): return ()
    async def start(self): pass
    async def stop(self): pass
    def status(self): return {}

@hookimpl
def btc_ai_service(context): return Service()

plugin = sys.modules[__name__]
"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A publisher with keys, and nothing published."""
    with serving(new_publisher(tmp_path / "publisher"), Layout(tmp_path / "unused")) as made:
        yield made


@pytest.fixture
def machine(slots: Slots, served: Served) -> Slots:
    """0.1.0 in a slot, with a plugin of somebody else's, and its daemon."""
    served.publisher.folder.joinpath("site").mkdir(exist_ok=True)
    slots.install_first("0.1.0")
    install_plugin(slots)
    slots.configure(UPDATE_SYSTEM=served.settings)
    slots.command("daemon", "start")
    return slots


def install_plugin(slots: Slots) -> None:
    """As `pip install` into the current slot does."""
    files: dict[str, str | bytes] = {
        "tiny/__init__.py": SERVICE, "tiny/btc_ai_plugin.json": json.dumps(MANIFEST),
        "tiny-1.0.dist-info/entry_points.txt": "[btc_ai.plugins]\ntiny = tiny:plugin\n",
    }  # fmt: skip
    wheel = write_wheel(slots.root.parent / "tiny-1.0-py3-none-any.whl", files, "tiny", "1.0")
    python = slots.layout.current / "bin" / "python"
    subprocess.run(
        [uv.find_uv_bin(), "--offline", "pip", "install", "-q", "--python", str(python),
         "--no-deps", wheel],
        check=True, capture_output=True,
    )  # fmt: skip


def publish(
    slots: Slots, publisher: Publisher, version: str, edits: Mapping[str, Edit] | None = None
) -> None:
    """Offer a version, as docs/releasing.md has it."""
    folder = build(slots.wheel, slots.shim, publisher, version, edits)
    site, keys = str(publisher.site.folder), ("--keys", str(publisher.keys.folder))
    slots.command("release", "sign", site, str(folder), *keys)
    slots.command("release", "publish", site, *keys)


def plugins(slots: Slots) -> dict[str, Any]:
    status = json.loads(slots.command("daemon", "status", "--json"))
    return {one["name"]: one for one in status["plugins"]}


def test_found_installed_rolled_back_and_kept_current(machine: Slots, served: Served) -> None:
    assert "no release before this one" in machine.command("update", "rollback", code=2)
    publish(machine, served.publisher, "0.2.0")
    said = machine.command("update", "check")
    assert "0.2.0 is there" in said and "What 0.2.0 brings" in said
    assert "update: 0.2.0 is there; `btc-ai update install`" in machine.command("status")

    said = machine.command("update", "install", "--watch", "1", "--json")
    assert "\n0.2.0 is good\n" in said and machine.running() == "0.2.0"
    done = json.loads(said.splitlines()[0])  # what is being done is on stderr
    assert done == {"version": "0.2.0", "before": "0.1.0", "outcome": "good"}
    assert plugins(machine)["tiny"]["state"] == "ready", "a plugin does not come along"
    assert "update" not in machine.command("status")
    found = json.loads(machine.command("update", "status", "--json"))
    assert (found["installed"], found["kind"], found["pending"]) == ("0.2.0", "slots", None)
    shared = next(machine.layout.releases.glob("0.2.0/lib/*/site-packages/tiny/__init__.py"))
    assert shared.stat().st_nlink > 1, "what is the same is not stored twice"

    assert "\n0.1.0 is current again\n" in machine.command("update", "rollback")
    assert machine.running() == "0.1.0"
    assert "0.2.0 → 0.1.0: made current" in machine.command("update", "history")

    machine.configure(UPDATE_SYSTEM={**served.settings, "AUTO_UPDATE": True})
    publish(machine, served.publisher, "0.3.0")
    machine.command("update", "check")
    wait_for(lambda: machine.running() == "0.3.0")
    progress = read_progress(machine.layout)
    assert progress is not None and progress.order.by == "auto"
    assert "0.3.0" in (machine.root.parent / "Logs" / "update.log").read_text()

    trial = machine.controller.pending()
    assert trial is not None and trial["to"] == "0.3.0"
    assert "0.1.0 runs again at once" in machine.command("plugins", "call", "update.rollback")
    wait_for(lambda: machine.running() == "0.1.0")
    said = machine.command("update", "rollback", "--version", "0.3.0", code=2)
    assert "0.3.0 was given up here: gone back by hand" in said
    told = json.loads(machine.command("plugins", "call", "update.history"))["history"]
    assert (told[0]["what"], told[0]["reason"]) == ("gone back", "gone back by hand")


@pytest.mark.soak
def test_a_release_that_a_plugin_does_not_work_with_is_refused(
    machine: Slots, served: Served
) -> None:
    newer = replacing("btc_ai/api/__init__.py", f'"{API_VERSION}"', '"2.0"')
    publish(machine, served.publisher, "0.2.0", newer)
    said = machine.command("update", "install", "--watch", "2", code=1)
    assert "0.2.0 was not installed; nothing changed" in said
    assert "the plugin tiny does not work with it: works with contract >=1,<2" in said
    assert machine.running() == machine.controller.current() == "0.1.0"
    assert not machine.controller.bad() and plugins(machine)["tiny"]["state"] == "ready"


@pytest.mark.soak
def test_two_updaters_at_once_install_it_once(machine: Slots, served: Served) -> None:
    publish(machine, served.publisher, "0.2.0")
    machine.command("update", "download")
    btc_ai = str(machine.layout.current / "bin" / "btc-ai")
    command = [btc_ai, "update", "install", "--version", "0.2.0", "--watch", "2"]
    pipe, merged = subprocess.PIPE, subprocess.STDOUT
    both = [
        subprocess.Popen(command, env=machine.environment, stdout=pipe, stderr=merged, text=True)
        for _ in range(2)
    ]
    said = [one.communicate(timeout=120)[0] for one in both]
    assert any("0.2.0 is good" in one for one in said), said
    for process, words in zip(both, said, strict=True):
        assert process.returncode == 0 or "an installation is under way" in words, words
    assert machine.running() == "0.2.0" and machine.controller.pending() is None
    done = [one["what"] for one in machine.controller.history()]
    assert done == ["made current", "tried", "good"]


@pytest.mark.soak
def test_a_rollback_whose_target_is_gone(machine: Slots, served: Served) -> None:
    publish(machine, served.publisher, "0.2.0")
    machine.command("update", "install", "--watch", "2")
    said = machine.command("update", "install", "--json")
    assert json.loads(said.splitlines()[0])["version"] is None and "is up to date" in said
    shutil.rmtree(machine.layout.releases / "0.1.0")
    said = machine.command("update", "rollback", code=2)
    assert "there is no release before this one to go back to; there is no other" in said
    said = machine.command("update", "rollback", "--version", "0.1.0", code=2)
    assert "there is no release 0.1.0 to go back to" in said
    assert machine.running() == "0.2.0"
