"""A child process's side of the log: what it logs goes over the pipe that the daemon gave it."""

import atexit
import json
import logging
import os

from btc_ai.logs.capture import capture
from btc_ai.logs.pipe import VARIABLE, PipeLog


def hand_on_records() -> None:
    """Hand what is logged in this process on to the daemon, at the level it named."""
    told = json.loads(os.environ.pop(VARIABLE))
    pipe = PipeLog(told["fd"])
    atexit.register(pipe.close)
    capture(pipe, told["level"], origin=told["origin"])


def set_level(level: int) -> None:
    """Log from this level on, as in `logging`."""
    logging.getLogger().setLevel(level)
