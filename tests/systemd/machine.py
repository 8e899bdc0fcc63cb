"""A machine with a real systemd and BTC-AI installed in it, as a test may have one."""

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
RELEASE = Path("/opt/btc-ai/current")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BOOT_LIMIT_S = 60.0


@dataclass
class Machine:
    """It sees this one's files; what it writes, nobody else sees."""

    pid: int

    @property
    def root(self) -> Path:
        """Its files, from outside."""
        return Path(f"/proc/{self.pid}/root")

    def popen(self, *command: str, user: str = "root") -> "subprocess.Popen[str]":
        """Start a command in it."""
        home = "/root" if user == "root" else f"/home/{user}"
        become = () if user == "root" else ("setpriv", f"--reuid={user}", "--init-groups")
        if user != "root":
            become = (*become, f"--regid={user}")
        return subprocess.Popen(
            ["nsenter", "-t", str(self.pid), "-m", "-p", "-u", "-i", "-n", "-C", "-r", "-w",
             "env", "-i", f"PATH={PATH}", f"HOME={home}", "COLUMNS=120", *become, *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *command: str, code: int | None = 0, user: str = "root") -> str:
        """What a command prints, errors last."""
        with self.popen(*command, user=user) as process:
            try:
                out, err = process.communicate(timeout=120)
            finally:
                process.kill()
        assert "Traceback" not in out + err, out + err
        assert code is None or process.returncode == code, (
            f"{' '.join(command)}: {process.returncode}: {out}{err}"
        )
        return out + err

    def btc_ai(self, *arguments: str, code: int | None = 0, user: str = "root") -> str:
        """What `btc-ai` prints."""
        return self.run(str(RELEASE / "bin/btc-ai"), *arguments, code=code, user=user)

    def json(self, *arguments: str, user: str = "root") -> Any:
        """What `btc-ai … --json` prints, parsed."""
        return json.loads(self.btc_ai(*arguments, "--json", user=user))

    def show(self, name: str, unit: str = "btc-ai.service") -> str:
        """One property of a unit."""
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).strip()

    def wait_for(self, what: Any, limit: float = 120) -> None:
        """Until `what()` holds."""
        end = time.monotonic() + limit
        while not what():
            assert time.monotonic() < end, self.run("journalctl", "--no-pager", "-n", "60")
            time.sleep(0.1)


def reason_against() -> str | None:
    """Why no machine can be made here, or None."""
    if os.geteuid() != 0:
        return "only root may make namespaces and control groups: run the tests as root"
    if not Path("/lib/systemd/systemd").exists() or shutil.which("systemd-analyze") is None:
        return "systemd is not installed: run scripts/setup_tests.sh"
    return None


def _control_groups() -> Path:
    """Where this system has its unified control groups."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(where)
    raise AssertionError("there are no unified control groups (cgroup2) on this system")


def _seen_at() -> dict[Path, str]:
    """Folders of this system that its users may not all reach, by where the machine has them."""
    seen = {Path(sysconfig.get_path("purelib")): "/opt/site"}
    if sys.base_prefix != "/usr":
        seen[Path(sys.base_prefix)] = "/opt/python"
    return seen


@contextmanager
def boot(folder: Path, wheels: Path) -> Iterator[Machine]:
    """A machine with the release of `wheels`, until the end of the block."""
    assert (reason := reason_against()) is None, reason
    group = _control_groups() / f"btc-ai-test-{os.getpid()}"
    binds = [str(part) for pair in ({**_seen_at(), wheels: "/opt/wheels"}).items() for part in pair]
    log = folder.with_suffix(".log")
    with log.open("w") as output:
        starter = subprocess.Popen(
            ["bash", str(Path(__file__).with_name("machine.sh")), str(group), str(folder), *binds],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    pid = None
    try:
        pid = _wait_until_up(starter, log)
        machine = Machine(pid)
        _install_release(machine)
        yield machine
    finally:
        for one in (pid, starter.pid):
            if one is not None and starter.poll() is None:
                os.kill(one, signal.SIGKILL)
        starter.wait()
        _remove_groups(group)


def _wait_until_up(starter: "subprocess.Popen[bytes]", log: Path) -> int:
    end = time.monotonic() + BOOT_LIMIT_S
    while True:
        words = log.read_text()
        assert starter.poll() is None, f"no systemd can be started here: {words}"
        assert time.monotonic() < end, f"systemd does not come up: {words}"
        if (pid := _systemd_of(starter.pid)) is not None:
            state = Machine(pid).run("systemctl", "is-system-running", code=None)
            if state.strip() in ("running", "degraded"):
                return pid
        time.sleep(0.1)


def _systemd_of(starter: int) -> int | None:
    """The systemd that is the first child of a process, once it is that."""
    try:
        first, *_ = Path(f"/proc/{starter}/task/{starter}/children").read_text().split()
        return int(first) if Path(f"/proc/{first}/comm").read_text() == "systemd\n" else None
    except (OSError, ValueError):  # none yet, or it ended meanwhile
        return None


def _install_release(machine: Machine) -> None:
    python = "/usr/bin/python3" if sys.base_prefix == "/usr" else "/opt/python/bin/python3"
    (machine.root / "etc/ld.so.conf.d/python.conf").write_text("/opt/python/lib\n")
    machine.run("ldconfig")
    machine.run(python, "-m", "venv", "--without-pip", str(RELEASE))
    site = next((machine.root / f".{RELEASE}/lib").glob("python*")) / "site-packages"
    (site / "rest.pth").write_text("/opt/site\n")
    machine.run(
        "sh", "-c",
        f"{RELEASE}/bin/python -m pip -q install --no-deps --no-index --ignore-installed "
        "--root-user-action=ignore /opt/wheels/*.whl",
    )  # fmt: skip


def _remove_groups(top: Path) -> None:
    """Remove control groups, the innermost first, as soon as the kernel has emptied them."""
    end = time.monotonic() + 10
    while top.exists():
        for folder, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(folder)  # noqa: PTH106
            except OSError:
                assert time.monotonic() < end, f"{folder} cannot be removed"
        time.sleep(0.05)
