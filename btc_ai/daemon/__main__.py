"""`btc-ai-daemon`: the daemon in the foreground. `btc-ai daemon` is the friendlier way in."""

import argparse
import asyncio
import faulthandler
import os
import sys
from pathlib import Path

from btc_ai.daemon.app import serve
from btc_ai.daemon.systemd import stderr_is_journal
from btc_ai.errors import BtcAiError


def main() -> None:
    """Run the daemon; exit 0 when it was told to stop, 1 when it could not start."""
    parser = argparse.ArgumentParser(prog="btc-ai-daemon", description=__doc__)
    parser.add_argument("--config", type=Path, help="configuration file")
    parser.add_argument(
        "--ready-fd", type=int, help="descriptor to write READY to, or the reason why not"
    )
    options = parser.parse_args()

    def tell(text: str) -> None:
        if options.ready_fd is not None:
            os.write(options.ready_fd, text.encode())
            os.close(options.ready_fd)
            options.ready_fd = None

    faulthandler.enable()  # systemd's watchdog ends a loop that hangs by SIGABRT: say where it hung
    console = options.ready_fd is None
    try:
        asyncio.run(serve(options.config, console=console, on_ready=lambda: tell("READY")))
    except BtcAiError as error:
        tell(str(error))
        sys.exit(_lines(f"btc-ai-daemon: {error}"))


def _lines(reason: str) -> str:
    """`reason` for stderr; the journal is told with each line that it is an error."""
    return "\n".join(f"<3>{line}" if stderr_is_journal() else line for line in reason.split("\n"))


if __name__ == "__main__":
    main()
