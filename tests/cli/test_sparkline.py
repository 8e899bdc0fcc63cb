"""Curves and bars of text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_ai.cli.sparkline import STEPS, meter, sparkline

values = st.lists(st.none() | st.floats(-1e6, 1e6), max_size=200)


@settings(deadline=None, derandomize=True)
@given(values, st.integers(0, 50))
def test_a_curve_fits_and_its_extremes_are_the_outer_steps(
    found: list[float | None], width: int
) -> None:
    known = [one for one in found if one is not None]
    line = sparkline(found, width)
    assert len(line) == min(width, len(known)) and set(line) <= set(STEPS)
    if len(known) <= width and len(set(known)) > 1 and max(known) - min(known) > 1e-3:
        assert line[known.index(min(known))] == "▁" and line[known.index(max(known))] == "█"


def test_a_constant_is_at_half_height() -> None:
    assert sparkline([2.0, 2.0, None, 2.0], 10) == "▄▄▄"
    assert sparkline([1, 2, 3, 4], 2) == "▁█"


@pytest.mark.parametrize(
    ("share", "filled", "colours"),
    [(0.0, 0, set()), (0.5, 10, {"green"}), (0.9, 18, {"green", "yellow", "red"}), (2, 20, None)],
)
def test_a_share_is_coloured_by_the_zones_it_reaches(
    share: float, filled: int, colours: set[str] | None
) -> None:
    bar = meter(share, 20, 0.65, 0.85)
    assert bar.plain.count("█") == filled and len(bar.plain) == 20
    found = {str(span.style) for span in bar.spans if bar.plain[span.start] == "█"}
    assert colours is None or found == colours
    assert bar.plain.count("┊") == sum(filled <= place for place in (13, 17))
