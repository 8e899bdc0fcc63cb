import errno
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from btc_ai.daemon.private import make_private
from btc_ai.errors import BtcAiError
from btc_ai.lock import Lock, is_held
from tests.daemon.conftest import REPOSITORY
from tests.test_config import NOBODY, as_nobody

HOLDER = """
import sys, time
from pathlib import Path
from btc_ai.lock import Lock
lock = Lock(Path(sys.argv[1]), "it")
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "lock")],
        stdout=subprocess.PIPE, cwd=REPOSITORY, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_second_taker_is_told_who_holds_it(tmp_path: Path, holder: "subprocess.Popen[str]") -> None:
    with pytest.raises(BtcAiError, match=rf"process {holder.pid}\) already uses the models"):
        Lock(tmp_path / "lock", "the models")
    holder.kill()
    holder.wait()
    lock = Lock(tmp_path / "lock", "the models")
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    lock.release()


def test_whether_a_lock_is_held(tmp_path: Path, holder: "subprocess.Popen[str]") -> None:
    lock = tmp_path / "lock"
    shutil.copy(lock, tmp_path / "copy")
    assert is_held(lock)
    assert is_held(tmp_path / "copy") is False and is_held(tmp_path / "none") is None
    holder.kill()
    holder.wait()
    assert is_held(lock) is False


def test_released_lock_can_be_taken(tmp_path: Path) -> None:
    Lock(tmp_path / "lock", "it").release()
    lock = Lock(tmp_path / "lock", "it")
    with pytest.raises(BtcAiError, match=f"process {os.getpid()}"):
        Lock(tmp_path / "lock", "it")
    lock.release()


def test_folder_of_a_lock_is_as_the_umask_says(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        Lock(tmp_path / "Models" / ".lock", "it").release()
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "Models").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "Models" / ".lock").stat().st_mode) == 0o600


def test_lock_does_not_follow_links(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "lock").symlink_to(tmp_path / "precious")
    with pytest.raises(BtcAiError, match="cannot write"):
        Lock(tmp_path / "lock", "it")
    assert (tmp_path / "precious").read_text() == "kept"


def test_lock_where_there_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BtcAiError, match="cannot write to"):
        Lock(tmp_path / "file" / "lock", "it")
    with pytest.raises(BtcAiError, match="Permission denied"), as_nobody():
        Lock(tmp_path / "lock", "it")


def test_lock_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(os, "pwrite", full)
        with pytest.raises(BtcAiError, match="No space left"):
            Lock(tmp_path / "lock", "it")
    Lock(tmp_path / "lock", "it").release()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_runtime_folder_is_made_private(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        make_private(tmp_path / "a" / "run")
    finally:
        os.umask(mask)
    assert mode(tmp_path / "a" / "run") == 0o700
    make_private(tmp_path / "a" / "run")


@pytest.mark.parametrize("bits", [0o770, 0o707, 0o777, 0o1777])
def test_runtime_folder_that_others_can_write(tmp_path: Path, bits: int) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(bits)
    with pytest.raises(BtcAiError, match="chmod 700"):
        make_private(tmp_path / "run")
    assert mode(tmp_path / "run") == bits


def test_runtime_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(BtcAiError, match="cannot make the runtime folder"):
        make_private(tmp_path / "run")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make another user's folder")
@pytest.mark.parametrize("link", [False, True])
def test_runtime_folder_of_another_user(link: bool) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        made = Path(name) / "run"
        if link:
            (Path(name) / "mine").mkdir(mode=0o700)
            made.symlink_to(Path(name) / "mine")
        else:
            made.mkdir(mode=0o700)
        os.chown(made, NOBODY, NOBODY, follow_symlinks=False)
        with pytest.raises(BtcAiError, match="belongs to another user"):
            make_private(made)


def test_daemon_refuses_such_a_folder(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o777)
    config = tmp_path / "btc_ai.json"
    config.write_text("{}")
    done = subprocess.run(
        [sys.executable, "-m", "btc_ai.daemon", "--config", str(config)],
        env=os.environ | {"BTC_AI_RUNTIME_DIR": str(tmp_path / "run")},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "chmod 700" in done.stderr and "Traceback" not in done.stderr
    assert not list((tmp_path / "run").iterdir())
