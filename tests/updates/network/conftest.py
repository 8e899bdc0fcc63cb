import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from btc_ai.updates.layout import Layout
from tests.updates.network.publishing import Publisher, Served, new_publisher, serving


@pytest.fixture(scope="session")
def _published(tmp_path_factory: pytest.TempPathFactory) -> Publisher:
    """Two releases that share a wheel."""
    made = new_publisher(tmp_path_factory.mktemp("publisher"))
    made.release("0.2.0", {"btc_ai": b"two", "big": b"b" * 300_000})
    made.release("0.3.0", {"btc_ai": b"three", "big": b"b" * 300_000})
    return made


@pytest.fixture
def publisher(_published: Publisher, tmp_path: Path) -> Publisher:
    """A copy of it, to be tampered with."""
    shutil.copytree(_published.folder, tmp_path / "publisher")
    return Publisher(tmp_path / "publisher")


@pytest.fixture
def served(publisher: Publisher, tmp_path: Path) -> Iterator[Served]:
    """A machine that has asked for nothing yet, and its update server."""
    with serving(publisher, Layout(tmp_path / "machine")) as made:
        yield made
