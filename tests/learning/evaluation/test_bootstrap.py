import numpy as np
import pytest

from btc_ai.learning.environment import Rollout
from btc_ai.learning.evaluation.bootstrap import (
    Interval,
    block_sums,
    intervals,
    mean_block,
    widening,
)

FIVE_MINUTES = 300_000


def rollouts(bars: int, seed: int) -> tuple[Rollout, Rollout]:
    generator = np.random.default_rng(seed)
    returns = 20e-4 * generator.standard_normal(bars)
    positions = np.repeat(generator.integers(-1, 2, (3, bars // 10)), 10, axis=1).astype(np.float64)
    return Rollout(positions, returns, 1e-4), Rollout(np.ones((3, bars)), returns, 1e-4)


def ar1(generator: np.random.Generator, bars: int, phi: float) -> np.ndarray:
    shocks = generator.standard_normal(bars + 200)
    path = np.zeros(len(shocks))
    for t in range(1, len(shocks)):
        path[t] = phi * path[t - 1] + shocks[t]
    return path[200:]


def test_a_block_is_a_day_of_five_minute_bars_or_the_longest_horizon() -> None:
    assert (mean_block(72), mean_block(576)) == (288, 576)


def test_resampled_rows_are_rows_and_as_many() -> None:
    columns = np.column_stack([np.ones(500), np.arange(500.0), -np.arange(500.0)])
    sums = block_sums(columns, 20, 300, np.random.default_rng(0))
    assert sums[:, 0] == pytest.approx(np.full(300, 500))
    assert sums[:, 1] == pytest.approx(-sums[:, 2])
    assert sums[:, 1].mean() / 500 == pytest.approx(249.5, rel=0.02)


def test_blocks_have_the_length_that_is_asked_for() -> None:
    """On long runs of one value a sum's variance is n (1 + q) / (1 − q), q = 1 − 1 / block."""
    wave = np.repeat([1.0, -1.0] * 10, 500)
    sums = block_sums(wave[:, None], 4, 2_000, np.random.default_rng(0))
    assert sums.std() == pytest.approx(np.sqrt(10_000 * 1.75 / 0.25), rel=0.05)


def test_one_bar_blocks_are_the_ordinary_bootstrap() -> None:
    values = np.random.default_rng(2).standard_normal(2_000)
    sums = block_sums(values[:, None], 1, 4_000, np.random.default_rng(3))[:, 0]
    assert sums.std() == pytest.approx(values.std() * np.sqrt(2_000), rel=0.05)


def test_intervals_hold_their_estimates_and_are_the_same_twice() -> None:
    model, hold = rollouts(5_760, 1)

    def once() -> object:
        return intervals(model, hold, FIVE_MINUTES, block=288, generator=np.random.default_rng(9))

    ours = intervals(model, hold, FIVE_MINUTES, block=288, generator=np.random.default_rng(9))
    assert once() == ours
    net = float(model.net.mean()) * 1e4
    over = net - float(hold.net.mean()) * 1e4
    assert ours.net_bps_per_bar.low < net < ours.net_bps_per_bar.high
    assert ours.net_bps_over_hold.low < over < ours.net_bps_over_hold.high
    assert ours.sharpe is not None
    total = float(np.exp(model.net.sum(axis=1)).mean()) - 1
    assert ours.total_return.low < total < ours.total_return.high


def test_the_difference_to_buy_and_hold_is_paired() -> None:
    _, hold = rollouts(5_760, 1)
    nearly = Rollout(hold.positions, hold.returns + 1e-5, hold.cost)
    ours = intervals(
        nearly, hold, FIVE_MINUTES, block=288, generator=np.random.default_rng(9), replicates=500
    )
    assert ours.net_bps_over_hold.low == pytest.approx(0.1, abs=1e-6)
    assert ours.net_bps_per_bar.high - ours.net_bps_per_bar.low > 0.3


def test_a_policy_that_never_moves_has_no_sharpe_interval() -> None:
    _, hold = rollouts(2_880, 1)
    flat = Rollout(np.zeros((3, 2_880)), hold.returns, 1e-4)
    ours = intervals(flat, hold, FIVE_MINUTES, block=288, generator=np.random.default_rng(9))
    assert ours.sharpe is None
    assert ours.net_bps_per_bar == Interval(0, 0)
    assert not ours.net_bps_per_bar.excludes_zero()


def test_few_blocks_widen_and_many_do_not() -> None:
    assert widening(10) > widening(50) > widening(1e6)
    assert widening(1e6) == pytest.approx(1, abs=1e-5)
    # Student's t with 20 degrees of freedom: 2.0860.
    assert widening(20) * np.sqrt(1 - 0.1) == pytest.approx(2.0860 / 1.95996, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("bars", "phi"), [(15_768, 0.3), (15_768, 0.9), (5_760, -0.3)])
def test_coverage_on_autoregressive_returns(bars: int, phi: float) -> None:
    generator = np.random.default_rng([bars, int(10 * phi) + 10])
    covered = 0
    for _ in range(600):
        path = ar1(generator, bars, phi)
        means = block_sums(path[:, None], 288, 1_000, generator)[:, 0] / bars
        interval = Interval.of(means, float(path.mean()), bars / 288)
        covered += not interval.excludes_zero()
    assert 0.93 <= covered / 600 <= 0.97
