import numpy as np
import pytest

from btc_ai.learning.audit.timing import exact_returns, fill
from btc_ai.learning.environment import bar_returns
from btc_ai.market.candles import Candles


def test_exact_returns_are_those_of_the_environment(holed: Candles) -> None:
    ours = exact_returns(holed)
    theirs = bar_returns(np.log(holed.open), holed.segment_ids)
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize(
    ("price", "bought", "words"),
    [
        ("open", 1, "at the open of the next bar, as they should be"),
        ("close", 0, "at the close of the very bar"),
        ("open", 0, "at the open of the bar that the decision was taken on"),
        ("close", 1, "at the close of the next bar"),
        ("open", 2, "one bar late"),
    ],
)
def test_the_fill_is_told_from_what_was_earned(
    gaps: Candles, price: str, bought: int, words: str
) -> None:
    prices = np.log(getattr(gaps, price))
    earned = np.full(len(gaps), np.nan)
    earned[: len(gaps) - bought - 1] = prices[bought + 1 :] - prices[bought : len(gaps) - 1]
    assert words in fill(gaps, earned)
    assert "no fill" in fill(gaps, earned + 1e-4)
