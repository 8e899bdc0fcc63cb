"""`python -m btc_ai.reports`: a report made in a process of its own, for who must stay small.

Reads one JSON object: `config`, `run`, `form`, `output`, `read_only` (nothing is written beside the
history). Prints one a line: `share` and `text` as it goes, then `path`, or `error`.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from btc_ai.config import restore_config
from btc_ai.errors import BtcAiError
from btc_ai.execution.child import die_with_parent
from btc_ai.history.unrecorded import open_history
from btc_ai.reports.make import write_report
from btc_ai.reports.step import NICENESS


def main() -> int:
    """Make one report; 1 where that failed."""
    die_with_parent(os.getppid())
    os.nice(NICENESS)
    asked = json.load(sys.stdin)
    config = restore_config(asked["config"])
    try:
        with open_history(config, read_only=asked["read_only"]) as history:
            path = write_report(
                config, history, asked["run"], asked["form"], Path(asked["output"]),
                lambda share, text: _say(share=share, text=text),
            )  # fmt: skip
    except BtcAiError as error:
        _say(error=str(error))
        return 1
    _say(path=str(path))
    return 0


def _say(**said: Any) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
