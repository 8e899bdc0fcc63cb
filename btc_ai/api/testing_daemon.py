"""A real daemon for tests of an installed plugin, in folders and processes of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btc_ai.paths import lock_file

Body = dict[str, Any]

SETTLED = ("ready", "idle", "refused", "disabled", "broken", "failed", "stopped")
QUICK: Body = {
    "BUFFER_SIZE": 2048,
    "PROGRESSIVE_TRAINING": {"EPISODES_PER_BUCKET": 2, "PAUSE_BETWEEN_BUCKETS": 0.05},
    "KNOWLEDGE_TRANSFER": {"TRANSFER_VERIFY": "off"},
    "MONITORING": {"ENABLED": False},
}
"""A configuration with which training on the sample market takes seconds."""


@dataclass
class RunningDaemon:
    """A daemon, and the command line that speaks to it."""

    folder: Path
    runtime: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which `btc-ai` finds this daemon."""
        return os.environ | {
            "BTC_AI_CONFIG": str(self.folder / "btc_ai.json"),
            "BTC_AI_RUNTIME_DIR": str(self.runtime),
            "HOME": str(self.folder),
            "COLUMNS": "120",
        }

    def run(self, *arguments: str, code: int = 0, timeout_s: float = 240.0) -> str:
        """What `btc-ai` prints, errors last. Raises AssertionError for another exit code."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "btc_ai.cli.app", *arguments],
            env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=timeout_s, check=False,
        )  # fmt: skip
        text = done.stdout + done.stderr
        assert done.returncode == code, f"exit code {done.returncode}: {text}"
        return text

    def call(self, kind: str, body: Body | None = None) -> Body:
        """The result of one command."""
        result: Body = json.loads(
            self.run("plugins", "call", kind, "--body", json.dumps(body or {}))
        )
        return result

    def plugin(self, name: str) -> Body:
        """What `btc-ai plugins info` knows of a plugin, once it has started, or cannot."""
        shown: Body = {}

        def started() -> bool:
            nonlocal shown
            shown = self.call("daemon.plugin", {"plugin": name})
            return shown["state"] in SETTLED

        wait_for(started)
        return shown

    def logged(self) -> str:
        """All that the daemon has written to its log files so far."""
        return "".join(
            path.read_text(errors="replace")
            for path in sorted((self.folder / "Logs").rglob("*"))
            if path.is_file()
        )

    def close(self) -> None:
        """Stop the daemon; kill it, by its own process id, where it does not stop."""
        try:
            pid = int(lock_file(self.runtime).read_text())
            self.run("daemon", "stop")
        except (OSError, ValueError):
            return
        except (AssertionError, subprocess.TimeoutExpired):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            raise


@contextmanager
def running_daemon(folder: Path, config: Body | None = None) -> Iterator[RunningDaemon]:
    """A daemon that has started with `config`, its folders in `folder`; it ends with the block.

    Keys that are left out are those of QUICK.
    """
    paths = {"MODELS_DIR": "Models", "DATA_DIR": "Data", "LOG_DIR": "Logs"}
    text = json.dumps({**QUICK, **paths, **(config or {})})
    (folder / "btc_ai.json").write_text(text, encoding="utf-8")
    runtime = Path(tempfile.mkdtemp(prefix="btc-ai-", dir="/tmp"))  # a socket's path is short
    made = RunningDaemon(folder, runtime)
    try:
        made.run("daemon", "start")
        yield made
    finally:
        try:
            made.close()
        finally:
            shutil.rmtree(runtime, ignore_errors=True)


def wait_for(what: Callable[[], bool], limit_s: float = 120.0) -> None:
    """Until `what()` holds. Raises AssertionError after `limit_s` seconds."""
    end = time.monotonic() + limit_s
    while not what():
        assert time.monotonic() < end, f"not within {limit_s:g} s"
        time.sleep(0.05)
