"""What models say together; for what one says, see the audit's train-serve equality."""

import pytest

from btc_ai.learning.signals import Horizon, combine


def test_horizons_are_weighted_by_skill() -> None:
    said = [Horizon(24, 10.0, 0.03), Horizon(24, -2.0, 0.01), Horizon(72, 5.0, 0.02)]
    assert combine(said) == [
        Horizon(24, pytest.approx(7.0), 0.03),  # type: ignore[arg-type]
        Horizon(72, 5.0, 0.02),
    ]


@pytest.mark.parametrize("skill", [None, 0.0, -0.01])
def test_what_is_said_without_skill_has_no_weight(skill: float | None) -> None:
    assert combine([Horizon(24, 10.0, skill)]) == []
    assert combine([Horizon(24, 10.0, skill), Horizon(24, 3.0, 0.01)]) == [Horizon(24, 3.0, 0.01)]
