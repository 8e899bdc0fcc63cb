import numpy as np
import pytest

from btc_ai.learning.environment import Rollout
from btc_ai.learning.evidence import as_good, block_means, standard_error, t_value


def rollout(net: np.ndarray) -> Rollout:
    """Held long throughout, without cost."""
    return Rollout(np.ones((2, len(net))), net, cost=0.0)


def test_blocks_are_days_or_the_longest_horizon_and_whole() -> None:
    net = np.arange(3.0 * 576 + 5)
    assert block_means(rollout(net), 72) == pytest.approx(net[:1728].reshape(6, 288).mean(axis=1))
    assert block_means(rollout(net), 576) == pytest.approx(net[:1728].reshape(3, 576).mean(axis=1))
    assert len(block_means(rollout(net[:100]), 72)) == 0


def test_the_standard_error_holds_where_neighbours_hang_together() -> None:
    """Over many paths of an MA(20) the t-value is about standard normal; bar by bar it is not."""
    shocks = np.random.default_rng(1).standard_normal((400, 28_800 + 19))
    window = np.cumsum(shocks, axis=1)
    paths = (window[:, 20:] - window[:, :-20]) / 20
    values = [t_value(block_means(rollout(path), 72)) for path in paths]
    found = np.array([value for value in values if value is not None])
    assert len(found) == 400
    assert found.std() == pytest.approx(1, abs=0.12)
    naive = paths.mean(axis=1) / paths.std(axis=1) * np.sqrt(paths.shape[1])
    assert naive.std() > 3


@pytest.mark.parametrize("blocks", [np.zeros(0), np.ones(1), np.zeros(9)])
def test_what_says_nothing_has_no_t_value(blocks: np.ndarray) -> None:
    assert standard_error(blocks) == 0
    assert t_value(blocks) is None


def test_as_good_is_within_one_standard_error_of_the_paired_differences() -> None:
    market = np.random.default_rng(1).standard_normal(100)
    worse = np.tile([0.3, -0.1], 50)
    error = standard_error(worse)
    assert as_good(market - worse + 0.1 - 0.99 * error, market)
    assert not as_good(market - worse + 0.1 - 1.01 * error, market)
    assert as_good(market + 1, market)


def test_what_cannot_be_judged_is_not_as_good_unless_it_is_better() -> None:
    assert not as_good(np.zeros(0), np.zeros(0))
    assert not as_good(np.array([0.9]), np.array([1.0]))
    assert as_good(np.array([1.0]), np.array([1.0]))
