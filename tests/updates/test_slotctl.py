"""The slot controller: what it does at each start, and after a power cut at any moment."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from btc_ai.updates import slotctl
from btc_ai.updates.layout import Layout
from btc_ai.updates.slotctl import TRIES, Controller, SlotError
from btc_ai.updates.slots import install_controller

Do = Callable[[Controller], object]


class PowerCutError(Exception):
    pass


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    for version in ("0.1.0", "0.2.0", "0.3.0"):
        (tmp_path / "releases" / version).mkdir(parents=True)
    made = Controller(tmp_path)
    made.flip("0.2.0")
    return made


def starts_until_back(controller: Controller) -> int:
    for count in range(10):
        if controller.current() == "0.2.0":
            return count
        controller.attempt()
    raise AssertionError("it never goes back")


def test_a_release_has_two_starts(controller: Controller) -> None:
    controller.begin("0.3.0", ["signal"])
    said = [controller.attempt() for _ in range(TRIES + 1)]
    assert said[:TRIES] == ["trying 0.3.0"] * TRIES
    assert said[TRIES] == "back to 0.2.0: 0.3.0 was given up, it did not stay up"
    assert controller.current() == "0.2.0" and controller.pending() is None
    assert controller.attempt() == ""
    assert list(controller.bad()) == ["0.3.0"]
    controller.forget_bad("0.3.0")
    assert controller.bad() == {}


def test_a_good_release_stays(controller: Controller) -> None:
    controller.begin("0.3.0")
    controller.attempt()
    assert not controller.good("0.9.0") and controller.good("0.3.0") and not controller.good()
    assert [controller.attempt() for _ in range(5)] == [""] * 5
    assert controller.current() == "0.3.0"
    assert [one["what"] for one in controller.history()] == ["made current", "tried", "good"]


def test_where_the_release_before_is_gone_another_is_taken(controller: Controller) -> None:
    controller.begin("0.3.0")
    (controller.releases / "0.2.0" / slotctl.BUILDING).touch()
    assert controller.back("no").startswith("back to 0.1.0")
    (controller.releases / "0.3.0").rename(controller.releases / "0.4.0")
    controller.begin("0.4.0")
    (controller.releases / "0.1.0").rmdir()
    assert "no release to go back to" in controller.back("no")
    assert controller.current() == "0.4.0" and controller.pending() is None


@pytest.mark.parametrize("name", ["0.9.0", "../x", "", ".building", "a/b"])
def test_what_is_no_slot_is_refused(controller: Controller, name: str) -> None:
    for do in (controller.begin, controller.flip):
        with pytest.raises(SlotError, match="there is no release"):
            do(name)
    assert controller.current() == "0.2.0"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"to": "../..", "tries": 1}', '{"to": "0.3.0"}']
)
def test_a_damaged_trial_is_none(controller: Controller, content: str) -> None:
    (controller.state / "pending.json").write_text(content)
    (controller.state / "bad.json").write_text(content)
    assert controller.attempt() == "" and controller.current() == "0.2.0"


def cut_at(controller: Controller, count: int, do: Do, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Do something, and lose the power before change number `count`; whether it came to that."""
    left = [count]

    def counted(change: Callable[..., None]) -> Callable[..., None]:
        def changing(*arguments: object) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise PowerCutError
            change(*arguments)

        return changing

    with monkeypatch.context() as patch:
        for name in ("_write", "_flip", "_record", "_remove"):
            patch.setattr(controller, name, counted(getattr(controller, name)))
        try:
            do(controller)
        except PowerCutError:
            return True
    return False


@pytest.mark.parametrize("count", range(6))
def test_a_power_cut_while_a_trial_begins(
    controller: Controller, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_at(controller, count, lambda one: one.begin("0.3.0"), monkeypatch)
    if controller.current() == "0.3.0":
        assert starts_until_back(controller) == TRIES + 1
    else:
        controller.attempt()
    assert controller.current() == "0.2.0" and controller.pending() is None


@pytest.mark.parametrize("count", range(6))
def test_a_power_cut_while_going_back(
    controller: Controller, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller.begin("0.3.0")
    cut_at(controller, count, lambda one: one.back("no"), monkeypatch)
    assert starts_until_back(controller) <= TRIES + 1
    controller.attempt()
    assert controller.pending() is None and "0.3.0" in controller.bad()


def test_a_full_disk_keeps_nobody_from_going_back(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(name: str, value: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    controller.begin("0.3.0")
    monkeypatch.setattr(controller, "_write", full)
    assert "starts cannot be counted (No space left" in controller.attempt()
    assert controller.current() == "0.2.0" and controller.pending() is None
    assert "No space left" in controller.why_back("0.3.0", 0) and not controller.bad()
    with pytest.raises(OSError, match="No space left"):
        controller.begin("0.3.0")
    assert controller.current() == "0.2.0", "what cannot be put on trial is not made current"


def test_the_daemon_s_user_may_read_what_root_writes_under_the_unit_s_umask(
    controller: Controller,
) -> None:
    before = os.umask(0o027)
    try:
        controller.begin("0.3.0")
        controller.back("no")
    finally:
        os.umask(before)
    for name in ("bad.json", "history.jsonl"):
        assert (controller.state / name).stat().st_mode & 0o777 == 0o644


def test_the_copy_needs_nothing_of_btc_ai(controller: Controller) -> None:
    install_controller(Layout(controller.root))
    controller.begin("0.3.0")
    copy = controller.root / "slotctl"

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(copy), *arguments], env={"PATH": "/usr/bin"}, capture_output=True, text=True,
            check=False, timeout=30,
        )  # fmt: skip

    assert run("attempt").stdout == "trying 0.3.0\n"
    assert json.loads(run("status").stdout)["pending"]["tries"] == TRIES - 1
    assert run("back", "it", "is", "slow").stdout.endswith("given up, it is slow\n")
    assert (run("fly").returncode, run("good").stdout) == (1, "nothing is pending\n")
    controller.state.joinpath("slots.lock").unlink()
    controller.state.joinpath("slots.lock").mkdir()
    assert run("attempt").returncode == 0 and "slotctl:" in run("attempt").stderr


def test_it_imports_the_standard_library_alone() -> None:
    subprocess.run([sys.executable, "-I", "-S", slotctl.__file__, "status"], check=True, timeout=30)
