import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from btc_ai import paths
from btc_ai.errors import ConfigError
from btc_ai.paths import find_config, runtime_dir
from tests.test_config import NOBODY, as_nobody


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home and a system, both empty."""
    for name in ("BTC_AI_CONFIG", "BTC_AI_RUNTIME_DIR", "RUNTIME_DIRECTORY", "XDG_CONFIG_HOME",
                 "XDG_RUNTIME_DIR", "XDG_DATA_HOME"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(paths, "SYSTEM_CONFIG", tmp_path / "etc" / "btc_ai.json")
    monkeypatch.setattr(paths, "SYSTEM_RUNTIME", tmp_path / "run" / "btc-ai")
    return tmp_path


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    return path


def test_search_order(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_config() is None
    system = touch(home / "etc" / "btc_ai.json")
    assert find_config() == system
    user = touch(home / ".config" / "btc-ai" / "btc_ai.json")
    assert find_config() == user
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative is ignored")
    assert find_config() == user
    moved = touch(home / "xdg" / "btc-ai" / "btc_ai.json")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "xdg"))
    assert find_config() == moved
    monkeypatch.setenv("BTC_AI_CONFIG", "~/named.json")
    assert find_config() == home / "named.json"  # though there is none: the mistake is reported
    monkeypatch.chdir(home)
    assert find_config(Path("option.json")) == home / "option.json"


def test_empty_variable_names_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BTC_AI_CONFIG", "")
    assert find_config() is None


def test_home_of_nobody_known(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="--config"):
        find_config(Path("~no-such-user/x.json"))
    monkeypatch.setenv("BTC_AI_CONFIG", "~no-such-user/x.json")
    with pytest.raises(ConfigError, match="BTC_AI_CONFIG"):
        find_config()


def test_runtime_order(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert runtime_dir() == Path(f"/tmp/btc-ai-{os.getuid()}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "own"))
    assert runtime_dir() == home / "own" / "btc-ai"
    touch(home / "run" / "btc-ai" / "commands.sock")
    assert runtime_dir() == home / "run" / "btc-ai"
    touch(home / "own" / "btc-ai" / "commands.sock")
    assert runtime_dir() == home / "own" / "btc-ai"
    monkeypatch.setenv("RUNTIME_DIRECTORY", f"{home}/one:{home}/two")
    assert runtime_dir() == home / "one"
    monkeypatch.setenv("BTC_AI_RUNTIME_DIR", str(home / "asked"))
    assert runtime_dir() == home / "asked"


@pytest.fixture
def closed() -> Iterator[Path]:
    """A folder that only its owner can look into."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name) / "closed"
        folder.mkdir(mode=0o700)
        Path(name).chmod(0o755)
        touch(folder / "btc_ai.json")
        touch(folder / "commands.sock")
        yield folder


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_another_users_closed_folders_are_passed_over(
    home: Path, closed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "SYSTEM_CONFIG", closed / "btc_ai.json")
    monkeypatch.setattr(paths, "SYSTEM_RUNTIME", closed)
    monkeypatch.setenv("XDG_RUNTIME_DIR", f"/tmp/none-{NOBODY}")
    monkeypatch.setenv("HOME", "/")
    uid = os.getuid()
    os.setresuid(NOBODY, NOBODY, 0)  # access(2) asks for the real user
    try:
        assert find_config() is None
        assert runtime_dir() == Path(f"/tmp/none-{NOBODY}/btc-ai")
    finally:
        os.setresuid(uid, 0, 0)
    with as_nobody():
        pass
