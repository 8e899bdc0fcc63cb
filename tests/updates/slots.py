"""Release-slot installations with real environments: BTC-AI's wheel, in versions made on the spot.

What BTC-AI depends on is not copied: a wheel with a `.pth` file leads to the packages of the tests'
own environment.
"""

import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from btc_ai.api.testing_daemon import QUICK
from btc_ai.bus.client import Client, daemon_listens
from btc_ai.errors import BtcAiError
from btc_ai.updates.handover import MODULE
from btc_ai.updates.layout import Layout
from btc_ai.updates.order import ORDER, Order, Progress, read_progress
from btc_ai.updates.release import Release, Wheel
from btc_ai.updates.slotctl import Controller
from btc_ai.updates.slots import build
from tests.daemon.conftest import REPOSITORY

Edit = Callable[[str], str]
SHIM = "btc_ai_shim"


def own_wheel(folder: Path) -> Path:
    """BTC-AI's wheel, built from this checkout."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=REPOSITORY, check=True, capture_output=True,
    )  # fmt: skip
    return next(folder.glob("btc_ai-*.whl"))


def write_wheel(path: Path, files: Mapping[str, str | bytes], project: str, version: str) -> Path:
    """A wheel of these files; its own metadata is added."""
    info = f"{project}-{version}.dist-info"
    content = {
        name: text.encode() if isinstance(text, str) else text for name, text in files.items()
    }
    content.setdefault(
        f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n".encode()
    )
    content[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    rows = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in content.items()]
    content[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""]).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def as_version(
    wheel: Path, version: str, folder: Path, edits: Mapping[str, Edit] | None = None
) -> Path:
    """The same wheel as another version, files changed by `edits`."""
    path = folder / f"btc_ai-{version}-py3-none-any.whl"
    files: dict[str, bytes] = {}
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            kept = name.replace("btc_ai-0.1.0.dist-info", f"btc_ai-{version}.dist-info")
            if not kept.endswith(("RECORD", "WHEEL")):
                files[kept] = archive.read(name)
    changes: dict[str, Edit] = {
        "btc_ai/__init__.py": lambda text: text.replace('"0.1.0"', f'"{version}"'),
        f"btc_ai-{version}.dist-info/METADATA": lambda text: text.replace(
            "Version: 0.1.0", f"Version: {version}"
        ),
        **(edits or {}),
    }
    for name, edit in changes.items():
        key = name.replace("DIST-INFO", f"btc_ai-{version}.dist-info")
        changed = edit(files[key].decode())
        assert changed.encode() != files[key] or not edits, f"{name} was to change"
        files[key] = changed.encode()
    return write_wheel(path, files, "btc_ai", version)


def shim(folder: Path) -> Path:
    """A wheel that leads to the packages of the tests' environment."""
    path = folder / f"{SHIM}-1-py3-none-any.whl"
    return write_wheel(path, {f"{SHIM}.pth": sysconfig.get_path("purelib") + "\n"}, SHIM, "1")


def stage(
    layout: Layout, own: Path, rest: Path, version: str, edits: Mapping[str, Edit] | None = None
) -> Release:
    """Put a release of two wheels into the store, as a download does."""
    with tempfile.TemporaryDirectory() as scratch:
        wheels = [as_version(own, version, Path(scratch), edits), rest]
        release = Release(
            version, "2026-01-01", "0.1.0", ">=3.11", {}, "", tuple(map(_described, wheels))
        )
        for path, about in zip(wheels, release.wheels, strict=True):
            place = layout.wheel(about)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
    layout.staged.mkdir(exist_ok=True)
    (layout.staged / f"{version}.json").write_bytes(release.encode())
    return release


def replacing(file: str, old: str, new: str) -> dict[str, Edit]:
    return {file: lambda text: text.replace(old, new)}


def in_main(code: str) -> dict[str, Edit]:
    """A release whose daemon does something before it starts."""
    line = "    options = parser.parse_args()\n"
    return replacing("btc_ai/daemon/__main__.py", line, f"{line}    {code}\n")


@dataclass
class Slots:
    """An installation under `root` with a daemon of its own."""

    root: Path
    runtime: Path
    wheel: Path
    shim: Path
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Configure the daemon."""
        self.root.mkdir(parents=True)
        self.layout, self.controller = Layout(self.root), Controller(self.root)
        self.config = self.root.parent / "btc_ai.json"
        self.configure()

    def configure(self, **values: Any) -> None:
        """Write the configuration."""
        self.config.write_text(json.dumps({**QUICK, "SEED": 5, **values}))

    def stage(self, version: str, edits: Mapping[str, Edit] | None = None) -> Release:
        """Put a release into the store, as a download does."""
        return stage(self.layout, self.wheel, self.shim, version, edits)

    def install_first(self, version: str) -> None:
        """The first release, as the beginning of everything."""
        build(self.layout, self.stage(version))
        self.controller.flip(version)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every command."""
        kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        return kept | {
            "BTC_AI_CONFIG": str(self.config),
            "BTC_AI_RUNTIME_DIR": str(self.runtime),
            "HOME": str(self.root.parent),
        }

    def command(self, *arguments: str, code: int = 0) -> str:
        """Run `btc-ai` of the current release."""
        done = subprocess.run(
            [str(self.layout.current / "bin" / "btc-ai"), *arguments],
            env=self.environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        text = done.stdout + done.stderr
        assert done.returncode == code and "Traceback" not in text, f"{done.returncode}: {text}"
        return text

    def order(self, version: str, **more: Any) -> Order:
        """What to install."""
        values = {"watch_s": 2.0, "backup": True, **more}
        return Order(version, str(self.runtime), str(self.config), **values)

    def apply(
        self, version: str, *, kill_at: str | None = None, script: str = "", at: str = "",
        **more: Any,
    ) -> Progress:  # fmt: skip
        """Install a release by the real process, which dies at a step where one is named.

        script: what installs it instead, and does something else at the step `at`.
        """
        self.layout.state.mkdir(exist_ok=True)
        (self.layout.state / ORDER).write_text(json.dumps(self.order(version, **more).__dict__))
        python = str(self.layout.current.resolve() / "bin" / "python")
        if kill_at is not None:
            killed = subprocess.run(
                [python, "-I", "-c", DYING, str(self.root), kill_at], env=self.environment,
                capture_output=True, text=True, timeout=120, check=False,
            )  # fmt: skip
            assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
        what = ["-c", script, str(self.root), at] if script else ["-m", MODULE, str(self.root)]
        subprocess.run(
            [python, "-I", *what], env=self.environment,
            capture_output=True, timeout=180, check=False,
        )  # fmt: skip
        progress = read_progress(self.layout)
        assert progress is not None
        return progress

    def running(self) -> str | None:
        """The version that answers."""
        try:
            with Client(self.runtime) as client:
                return str(client.call("daemon.ping")["version"])
        except BtcAiError:
            return None

    def wait_until_ended(self) -> None:
        """Until the daemon has ended by itself."""
        end = time.monotonic() + 60
        while daemon_listens(self.runtime):
            assert time.monotonic() < end, "the daemon goes on"
            time.sleep(0.05)

    def close(self) -> None:
        """End the updater and the daemon, by their own process ids."""
        for guards in (True, False):
            for updater in updaters(self.root, guards=guards):
                with suppress(ProcessLookupError):
                    os.kill(updater, signal.SIGKILL)
        pid = None
        with suppress(OSError, ValueError):
            pid = int((self.runtime / "daemon.lock").read_text())
        if pid is None or not daemon_listens(self.runtime):
            return
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
            os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + 20
        while time.monotonic() < end and Path(f"/proc/{pid}").exists():
            time.sleep(0.05)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def updaters(root: Path, *, guards: bool) -> list[int]:
    """Processes that install releases there; a guard restarts the other one."""
    found = []
    for folder in Path("/proc").iterdir():
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if MODULE in words and str(root) in words and ("--once" not in words) is guards:
                found.append(int(folder.name))
    return found


DYING = """
import os, sys
from pathlib import Path
from btc_ai.updates import apply
from btc_ai.updates.layout import Layout

say = apply._say
def dying(progress):
    say(progress)
    if progress.step == sys.argv[2]:
        os.kill(os.getpid(), 9)

apply._say = dying
apply.once(Layout(Path(sys.argv[1])))
"""


def _described(path: Path) -> Wheel:
    data = path.read_bytes()
    return Wheel(path.name, hashlib.sha256(data).hexdigest(), len(data))
