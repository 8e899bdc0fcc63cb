"""Ray reads its switches when it is imported, so they come first."""

import os
from pathlib import Path

from btc_ai_ray import set_up

set_up(address=None)
os.environ["RAY_AUTH_MODE"] = "disabled"  # the loopback address is wall enough for a test
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")])
)
