import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd.machine import REPOSITORY, Machine, boot, reason_against

SKIP = "BTC_AI_SKIP_SYSTEMD"


@pytest.fixture(scope="session")
def systemd() -> None:
    """Fail where there is no systemd to test with, unless it is a developer's own choice."""
    if os.environ.get(SKIP) and not os.environ.get("CI"):
        pytest.skip(f"{SKIP} is set: nothing of systemd has been tested")
    if reason := reason_against():
        pytest.fail(f"{reason} (or set {SKIP}=1 on your own machine; CI must not)")


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheels")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w",
         str(folder), "."],
        cwd=REPOSITORY, check=True,
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def machine(systemd: None, wheels: Path) -> Iterator[Machine]:
    """A machine with the release installed, and two users: alice in group btc-ai, bob in none."""
    with tempfile.TemporaryDirectory(prefix="btc-ai-m-", dir="/tmp") as folder:
        (Path(folder) / "root").mkdir()
        with boot(Path(folder) / "root", wheels) as made:
            yield made
