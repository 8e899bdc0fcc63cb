import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.updates.slots import Slots, own_wheel, shim


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("wheels")
    return own_wheel(folder), shim(folder)


@pytest.fixture
def slots(tmp_path: Path, wheels: tuple[Path, Path]) -> Iterator[Slots]:
    runtime = Path(tempfile.mkdtemp(prefix="btc-ai-", dir="/tmp"))
    made = Slots(tmp_path / "root", runtime, *wheels)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(runtime, ignore_errors=True)
