"""The short form of `python -m benchmarks.fuzz`."""

import pytest

from benchmarks import fuzz


@pytest.mark.slow
def test_no_wrong_frame_gets_through() -> None:
    lines, reached = fuzz.run(8_000, seed=1)
    assert reached, lines
