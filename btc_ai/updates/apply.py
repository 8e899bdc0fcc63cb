"""Runs an installation in a process of its own, and again where that is killed.

    python -m btc_ai.updates.apply ROOT        what `state/order.json` says

The daemon's own processes end with it, so this is a unit of its own (`btc-ai-update.service`), or
without systemd a detached process. It imports all it needs before `current` is flipped.
"""

import subprocess
import sys
from pathlib import Path

from btc_ai.errors import BtcAiError, UpdateError
from btc_ai.lock import Lock
from btc_ai.updates.handover import LOCK, MODULE
from btc_ai.updates.install import Installation
from btc_ai.updates.layout import Layout
from btc_ai.updates.order import ORDER, Progress, read_order
from btc_ai.updates.restarting import restarting

LIVES = 5
"""How often a killed installation is taken up again."""


def guard(layout: Layout) -> int:
    """Run the installation; take it up again where it is killed. Returns an exit code."""
    command, code = [sys.executable, "-I", "-m", MODULE, str(layout.root), "--once"], 1
    for _ in range(LIVES):
        code = subprocess.run(command, check=False).returncode
        if code >= 0:
            break
    return code


def once(layout: Layout) -> int:
    """Do what the order says. Returns an exit code."""
    try:
        lock = Lock(layout.state / LOCK, f"the releases in {layout.root}")
    except BtcAiError:
        sys.stderr.write("another installation is under way\n")
        return 1
    try:
        wanted = read_order(layout)
        runtime = Path(wanted.runtime)
        config = Path(wanted.config_file) if wanted.config_file else None
        how = restarting(wanted.managed, layout, runtime, config)
        Installation(layout, wanted, how, _say).run()
        return 0
    except (OSError, ValueError, TypeError) as error:
        sys.stderr.write(f"{layout.state / ORDER} cannot be read: {error}\n")
        return 1
    except UpdateError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        lock.release()


def _say(progress: Progress) -> None:
    sys.stdout.write(f"{progress.step}: {progress.text}\n")
    sys.stdout.flush()


def main() -> None:
    """Guard an installation, or with `--once` be it."""
    layout = Layout(Path(sys.argv[1]))
    sys.exit(once(layout) if "--once" in sys.argv else guard(layout))


if __name__ == "__main__":
    main()
