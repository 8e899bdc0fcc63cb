"""The daemon, started in the background where somebody needs it."""

import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path

from btc_ai.errors import BtcAiError
from btc_ai.paths import SYSTEM_CONFIG, SYSTEM_UNIT, lock_file


def daemon_command(config: Path | None) -> list[str]:
    """What runs the daemon in the foreground."""
    return [
        sys.executable, "-P", "-m", "btc_ai.daemon", *(["--config", str(config)] if config else []),
    ]  # fmt: skip


def start_daemon(runtime: Path, config: Path | None) -> int:
    """Start a daemon in the background; return its process id. Raises BtcAiError with why not.

    A release on trial that does not start is given up, which is said on stderr.
    """
    from btc_ai.updates.restarting import start_on_trial

    if config == SYSTEM_CONFIG and SYSTEM_UNIT.exists():
        raise BtcAiError(
            f"{SYSTEM_CONFIG} is the service's, whose folders only its own user may write to; "
            "start the service with `systemctl start btc-ai`"
        )
    tried = start_on_trial(runtime, config)
    if tried is None:
        return _start(runtime, config)
    if tried:
        sys.stderr.write(f"btc-ai: {tried}\n")
    return int(lock_file(runtime).read_text())


def _start(runtime: Path, config: Path | None) -> int:
    from btc_ai.updates.restarting import START_LIMIT_S

    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as errors, os.fdopen(reading, "rb") as pipe:
        process = subprocess.Popen(
            [*daemon_command(config), "--ready-fd", str(writing)],
            pass_fds=(writing,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
            env=os.environ | {"BTC_AI_RUNTIME_DIR": str(runtime)},
            cwd="/",
        )
        os.close(writing)
        if not select.select([pipe], [], [], START_LIMIT_S)[0]:
            process.kill()
            process.wait()
            raise BtcAiError(f"the daemon was not ready within {START_LIMIT_S:g} s, and was ended")
        if (answer := pipe.read().decode(errors="replace")) == "READY":
            return process.pid
        errors.seek(0)
        reason = answer or errors.read().decode(errors="replace").strip()[-2000:]
    raise BtcAiError(f"the daemon did not start: {reason or 'it ended without a word'}")
