"""What can be seen of the units without running them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from btc_ai.cli.units import Manager

pytestmark = pytest.mark.usefixtures("systemd")


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory, systemd: None) -> Path:
    """A folder with every unit as `service install` writes it, for this very environment."""
    folder = tmp_path_factory.mktemp("units")
    bin_folder = folder / "release/bin"
    bin_folder.mkdir(parents=True)
    (bin_folder / "btc-ai-daemon").symlink_to(shutil.which("true") or "")
    for name, user in (("system", False), ("user", True)):
        text = Manager(user).files(folder / "release")[Manager(user).unit]
        (folder / name).mkdir()
        (folder / name / "btc-ai.service").write_text(text)
    return folder


def verify(unit: Path, *options: str) -> str:
    done = subprocess.run(
        ["systemd-analyze", "verify", *options, str(unit)],
        env=os.environ | {"XDG_RUNTIME_DIR": str(unit.parent)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def exposure(unit: Path) -> float:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = re.search(r"Overall exposure level for .*: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    return float(found[1])


def test_verify_is_silent(units: Path) -> None:
    assert verify(units / "system/btc-ai.service") == ""
    assert verify(units / "user/btc-ai.service", "--user") == ""


def test_verify_sees_what_is_wrong(units: Path, tmp_path: Path) -> None:
    text = (units / "system/btc-ai.service").read_text()
    (tmp_path / "btc-ai.service").write_text(text.replace("ProtectClock=yes", "ProtectClock=maybe"))
    assert "Failed to parse" in verify(tmp_path / "btc-ai.service")


def test_exposure(units: Path, tmp_path: Path) -> None:
    assert exposure(units / "system/btc-ai.service") <= 1.2
    gpu = Path(__file__).parents[2] / "systemd/btc-ai-gpu.conf"
    both = (units / "system/btc-ai.service").read_text() + gpu.read_text()
    (tmp_path / "btc-ai.service").write_text(both)
    assert exposure(units / "system/btc-ai.service") < exposure(tmp_path / "btc-ai.service") <= 1.6


def test_unit_runs_the_console_script(units: Path) -> None:
    for kind in ("system", "user"):
        text = (units / kind / "btc-ai.service").read_text()
        assert f"ExecStart={units}/release/bin/btc-ai-daemon" in text
        assert "/opt/" not in text


def test_units_stand_in_the_wheel(wheels: Path) -> None:
    script = "import sys, zipfile; print(*zipfile.ZipFile(sys.argv[1]).namelist(), sep='\\n')"
    wheel = next(wheels.glob("btc_ai-*.whl"))
    listed = subprocess.run(
        [sys.executable, "-c", script, str(wheel)], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for path in (Path(__file__).parents[2] / "systemd").iterdir():
        assert f"btc_ai/systemd/{path.name}" in listed
