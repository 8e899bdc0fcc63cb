"""Has a release installed by a process that outlives the daemon, and this one."""

import json
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from btc_ai.durable import replace_durably
from btc_ai.errors import UpdateError
from btc_ai.updates.layout import Layout
from btc_ai.updates.order import ORDER, Order

MODULE = "btc_ai.updates.apply"
UNIT = "btc-ai-update.service"
OVER = ("inactive", "failed")
"""States of the unit in which it can be started; in others, a start would be lost."""
ENDS_S = 5.0
LOCK, SAID = "install.lock", "install.log"


def begin(layout: Layout, wanted: Order) -> None:
    """Write down what is to be installed, and have it done; whoever asked may go.

    Raises UpdateError where that cannot be begun.
    """
    require_idle(layout)
    try:
        layout.state.mkdir(parents=True, exist_ok=True)
        replace_durably(layout.state / ORDER, json.dumps(asdict(wanted), indent=1).encode())
        command = [sys.executable, "-I", "-m", MODULE, str(layout.root)]
        if wanted.managed == "system":
            _wait_until_over()
            _run("systemctl", "start", "--no-block", UNIT)
        elif wanted.managed == "user":
            _wait_until_over("--user")
            _run("systemd-run", "--user", "--collect", "--quiet", f"--unit={UNIT}", *command)
        else:
            with (layout.state / SAID).open("ab") as said:
                subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                    start_new_session=True, cwd="/",
                )  # fmt: skip
    except OSError as error:
        todo = "try sudo" if isinstance(error, PermissionError) else "mend that, and try again"
        text = f"{error.filename or layout.state}: {error.strerror}"
        raise UpdateError(f"{text}; releases in {layout.root} are its owner's: {todo}") from None


def require_idle(layout: Layout) -> None:
    """Raise UpdateError where an installation is under way."""
    if installs(layout):
        raise UpdateError("an installation is under way; `btc-ai update status` tells of it")


def installs(layout: Layout) -> bool:
    """Whether a process installs a release there now; between two lives of it there may be none."""
    try:
        pid = int((layout.state / LOCK).read_text())
        return MODULE.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return False


def _wait_until_over(*scope: str) -> None:
    """Until the unit of an installation that has just ended has ended too."""
    end = time.monotonic() + ENDS_S
    show = ("systemctl", *scope, "show", "--property=ActiveState", "--value", UNIT)
    while _run(*show).strip() not in OVER and time.monotonic() < end:
        time.sleep(0.1)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UpdateError(f"`{' '.join(command[:3])} …` failed: {done.stderr.strip()}")
    return done.stdout
