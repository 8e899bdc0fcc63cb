"""Installations by the real process, in real environments, of releases that work and do not."""

import pytest

from btc_ai.updates.slotctl import TRIES
from btc_ai.updates.slots import build
from tests.updates.slots import Edit, Slots, in_main, replacing

pytestmark = pytest.mark.slow


START = "    async def start(self) -> None:\n"
LATER = "import threading, os; threading.Timer(1.5, lambda: {}).start()"
BROKEN: dict[str, tuple[dict[str, Edit], str]] = {
    "crashes at start": (in_main("raise SystemExit('no')"), "did not start: no"),
    "dies within a minute": (in_main(LATER.format("os._exit(3)")), "does not answer any more"),
    "hangs after ready": (in_main(LATER.format("os.kill(os.getpid(), 19)")), "not answer any more"),
    "a plugin does not start": (
        replacing(
            "btc_ai/plugins/signal/service.py", START, f"{START}        raise RuntimeError('no')\n"
        ),
        "the plugin signal is broken",
    ),
    "a plugin is not there": (
        replacing("DIST-INFO/entry_points.txt", "signal = btc_ai.plugins.signal:plugin\n", ""),
        "it lacks the plugin signal",
    ),
    "it does not take the configuration": (
        replacing("btc_ai/config/whole.py", "    SEED: int", "    SEEDING: int"),
        "it does not take the configuration",
    ),
    "it cannot be imported": (
        {"btc_ai/market/store.py": lambda text: "import nowhere\n" + text},
        "cannot be imported",
    ),
}


IN_CI = ("crashes at start", "trial")
"""The others are for `make soak`."""


def rest_in_soak(*names: str) -> list[object]:
    soak = pytest.mark.soak
    return [one if one in IN_CI else pytest.param(one, marks=soak) for one in names]


def test_a_release_that_works_is_installed_and_then_good(slots: Slots) -> None:
    slots.install_first("0.1.0")
    slots.command("daemon", "start")
    slots.stage("0.2.0")
    progress = slots.apply("0.2.0")
    assert (progress.outcome, progress.before) == ("good", "0.1.0"), progress
    assert slots.running() == slots.controller.current() == "0.2.0"
    assert slots.controller.pending() is None
    assert [one["what"] for one in slots.controller.history()] == ["made current", "tried", "good"]
    backups = list((slots.root.parent / "Backups").iterdir())
    assert len(backups) == 1
    assert slots.apply("0.2.0").text == "0.2.0 is installed already"


@pytest.mark.parametrize("kind", rest_in_soak(*BROKEN))
def test_a_release_that_does_not_work_is_given_up_and_the_old_one_runs(
    slots: Slots, kind: str
) -> None:
    edits, reason = BROKEN[kind]
    slots.install_first("0.1.0")
    slots.command("daemon", "start")
    slots.stage("0.3.0", edits)
    progress = slots.apply("0.3.0")
    assert progress.outcome in ("back", "failed") and reason in progress.text, progress
    assert slots.running() == slots.controller.current() == "0.1.0"
    assert slots.controller.pending() is None
    tried = progress.outcome == "back"
    assert ("0.3.0" in slots.controller.bad()) is tried
    if tried:
        again = slots.apply("0.3.0", by="auto")
        assert "was tried before and given up" in again.text and slots.running() == "0.1.0"


@pytest.mark.parametrize("step", rest_in_soak("build", "check", "trial", "restart", "watch", "end"))
def test_an_updater_that_is_killed_at_a_step_is_taken_up_again(slots: Slots, step: str) -> None:
    slots.install_first("0.1.0")
    slots.command("daemon", "start")
    slots.stage("0.2.0")
    progress = slots.apply("0.2.0", kill_at=step)
    assert slots.running() == slots.controller.current() == "0.2.0", progress
    assert progress.outcome == "good" or step == "end"
    assert slots.controller.pending() is None


@pytest.mark.soak
def test_an_updater_that_is_killed_while_going_back_is_taken_up_again(slots: Slots) -> None:
    slots.install_first("0.1.0")
    slots.command("daemon", "start")
    slots.stage("0.3.0", BROKEN["crashes at start"][0])
    progress = slots.apply("0.3.0", kill_at="back")
    assert slots.running() == slots.controller.current() == "0.1.0", progress


@pytest.mark.soak
def test_a_daemon_that_was_stopped_stays_so_and_tries_the_release_when_it_starts(
    slots: Slots,
) -> None:
    slots.install_first("0.1.0")
    slots.stage("0.2.0")
    assert slots.apply("0.2.0").outcome == "good" and slots.running() is None
    assert slots.controller.current() == "0.2.0" and slots.controller.pending()
    slots.command("daemon", "start")
    assert slots.running() == "0.2.0"


@pytest.mark.soak
def test_a_release_that_crashes_when_a_stopped_daemon_is_started_is_given_up(slots: Slots) -> None:
    slots.install_first("0.1.0")
    slots.stage("0.3.0", BROKEN["crashes at start"][0])
    slots.apply("0.3.0")
    said = slots.command("daemon", "start")
    assert "0.3.0 was given up: the daemon did not start: no. 0.1.0 runs" in said
    assert slots.running() == slots.controller.current() == "0.1.0"


def test_a_release_that_lacks_a_plugin_ends_by_itself_and_is_given_up_with_no_updater_alive(
    slots: Slots,
) -> None:
    slots.install_first("0.1.0")
    build(slots.layout, slots.stage("0.3.0", BROKEN["a plugin does not start"][0]))
    slots.controller.begin("0.3.0", ["signal"])
    for _ in range(TRIES):
        slots.command("daemon", "start")
        slots.wait_until_ended()
    assert "0.3.0 was given up: it did not stay up. 0.1.0 runs" in slots.command("daemon", "start")
    assert slots.running() == slots.controller.current() == "0.1.0"
    assert "0.3.0" in slots.controller.bad()
