"""The soak in short: a few workers killed at random moments; `make soak` kills a thousand."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.soak
def test_workers_killed_at_random_moments_leave_nothing_and_change_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.soak", "--kills", "6", "--daemons", "1", "--seed", "5"],
        cwd=Path(__file__).parents[1], env=os.environ, capture_output=True, text=True,
        check=False, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 kills" in done.stdout
    assert "missed" not in done.stdout
