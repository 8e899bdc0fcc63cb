"""Installations on a disk that is full from one step on: a small file system of their own."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from btc_ai.updates.order import Progress
from tests.updates.slots import Slots, in_main

pytestmark = [pytest.mark.slow, pytest.mark.soak]

FILLING = """
import os, sys
from pathlib import Path
from btc_ai.updates import apply
from btc_ai.updates.layout import Layout

say = apply._say
def filling(progress):
    say(progress)
    if progress.step == sys.argv[2]:
        with open(os.path.join(sys.argv[1], "filler"), "ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    pass

apply._say = filling
sys.exit(apply.once(Layout(Path(sys.argv[1]))))
"""


@pytest.fixture
def small(wheels: tuple[Path, Path]) -> Iterator[Slots]:
    """An installation on a file system of its own, which only root can mount."""
    if os.geteuid() != 0:
        pytest.fail("only root can mount a file system: run the tests as root")
    folder = Path(tempfile.mkdtemp(prefix="btc-ai-full-", dir="/tmp"))
    (folder / "disk").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder / "disk"], check=True)
    made = Slots(folder / "disk" / "root", folder / "run", *wheels)
    made.config = folder / "btc_ai.json"
    made.configure(MODELS_DIR=str(folder / "Models"), BACKUPS_DIR=str(folder / "Backups"))
    try:
        yield made
    finally:
        made.close()
        subprocess.run(["umount", "-l", folder / "disk"], check=True)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("step", ["build", "check", "trial", "restart", "watch", "end"])
def test_a_working_version_runs_and_the_update_can_be_had_later(small: Slots, step: str) -> None:
    small.install_first("0.1.0")
    small.command("daemon", "start")
    small.stage("0.2.0")
    progress: Progress = small.apply("0.2.0", script=FILLING, at=step)
    kept = step in ("watch", "end")  # before, its tries cannot be counted: it is not kept on trial
    version, outcome = ("0.2.0", "good") if kept else ("0.1.0", "failed")
    assert (progress.outcome, small.running()) == (outcome, version), progress
    assert small.controller.current() == version and small.controller.pending() is None
    if not kept:
        said = ("No space left", "MiB are needed")
        assert any(one in progress.text for one in said), progress.text
        (small.root / "filler").unlink()
        assert small.apply("0.2.0").outcome == "good" and small.running() == "0.2.0"


def test_a_release_that_crashes_on_a_full_disk_is_gone_back_from(small: Slots) -> None:
    small.install_first("0.1.0")
    small.command("daemon", "start")
    small.stage("0.3.0", in_main("raise SystemExit('no')"))
    progress = small.apply("0.3.0", script=FILLING, at="restart")
    assert small.running() == small.controller.current() == "0.1.0", progress
    assert small.controller.pending() is None
