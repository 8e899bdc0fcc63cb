"""`btc-ai service` without systemd, and what a unit can run; tests/systemd has the rest."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from btc_ai.cli.units import Manager, check_release
from btc_ai.errors import BtcAiError
from tests.conftest import House


@pytest.mark.skipif(Path("/run/systemd/system").exists(), reason="systemd runs this machine")
@pytest.mark.parametrize("arguments", [("install",), ("uninstall",), ("status",)])
@pytest.mark.parametrize("user", [False, True])
def test_without_systemd(house: House, arguments: tuple[str, ...], user: bool) -> None:
    said = house.run("service", *arguments, *(["--user"] if user else []), code=1)
    assert "`btc-ai daemon start`" in said and "`btc-ai daemon run`" in said
    assert not list(house.root.glob("**/systemd"))


@pytest.fixture
def prefix() -> Iterator[Path]:
    """A release in a folder that everybody can reach."""
    folder = Path(tempfile.mkdtemp(prefix="btc-ai-release-", dir="/var"))
    try:
        folder.chmod(0o755)
        (folder / "bin").mkdir()
        for name in ("btc-ai-daemon", "python"):
            (folder / "bin" / name).write_text("#!/bin/sh\n")
            (folder / "bin" / name).chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a folder that all can reach")
def test_release_that_the_service_can_reach(prefix: Path) -> None:
    check_release(prefix, user=False)
    prefix.chmod(0o700)
    with pytest.raises(BtcAiError, match=f"cannot reach {prefix}/bin/btc-ai-daemon"):
        check_release(prefix, user=False)
    check_release(prefix, user=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a folder that all can reach")
def test_python_that_the_service_cannot_reach(prefix: Path, tmp_path: Path) -> None:
    (tmp_path / "python3").write_text("#!/bin/sh\n")
    (prefix / "bin/python").unlink()
    (prefix / "bin/python").symlink_to(tmp_path / "python3")
    with pytest.raises(BtcAiError, match="python3; install BTC-AI where everybody"):
        check_release(prefix, user=False)


def test_release_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(BtcAiError, match="install BTC-AI with pip first"):
        check_release(tmp_path, user=True)


@pytest.mark.parametrize("name", ["a b", "a%b", "a$b", 'a"b'])
def test_release_that_a_unit_cannot_name(tmp_path: Path, name: str) -> None:
    daemon = tmp_path / name / "bin/btc-ai-daemon"
    daemon.parent.mkdir(parents=True)
    daemon.write_text("")
    daemon.chmod(stat.S_IRWXU)
    with pytest.raises(BtcAiError, match="cannot name"):
        check_release(tmp_path / name, user=True)


def test_user_unit_is_in_the_users_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (path, text), *rest = Manager(user=True).files(Path("/opt/b")).items()
    assert path == tmp_path / "systemd/user/btc-ai.service" and not rest
    assert "ExecStart=/opt/b/bin/btc-ai-daemon\n" in text and "User=" not in text
