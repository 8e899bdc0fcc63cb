import itertools

import numpy as np
import pytest

from btc_ai.learning.evaluation.overfitting import probability_of_overfitting


@pytest.mark.parametrize("trials", [2, 7, 20])
def test_trials_worth_nothing_give_one_half(trials: int) -> None:
    generator = np.random.default_rng(trials)
    draws = [
        probability_of_overfitting(generator.standard_normal((160, trials))) for _ in range(60)
    ]
    assert np.mean(draws) == pytest.approx(0.5, abs=0.05)


def test_a_trial_that_is_truly_better_is_not_overfitted() -> None:
    returns = np.random.default_rng(0).standard_normal((160, 10))
    returns[:, 3] += 1
    assert probability_of_overfitting(returns) == 0


def test_trials_that_are_good_in_one_half_only_are_overfitted() -> None:
    """Each of two trials is best where the other is worst."""
    generator = np.random.default_rng(0)
    first = np.repeat([1.0, -1.0], 80) + 0.1 * generator.standard_normal(160)
    assert probability_of_overfitting(np.column_stack([first, -first])) > 0.8


def test_it_is_what_the_definition_says() -> None:
    returns = np.random.default_rng(5).standard_normal((27, 5))
    blocks = returns[3:].reshape(12, 2, 5)
    below = []
    for chosen in itertools.combinations(range(12), 6):
        inside = np.concatenate([blocks[i] for i in chosen])
        outside = np.concatenate([blocks[i] for i in range(12) if i not in chosen])
        best = int((inside.mean(0) / inside.std(0)).argmax())
        ratio = outside.mean(0) / outside.std(0)
        rank = 1 + int((ratio < ratio[best]).sum())
        logit = np.log(rank / 6 / (1 - rank / 6))
        below.append(0.5 if rank == 3 else float(logit < 0))
    assert probability_of_overfitting(returns) == pytest.approx(np.mean(below))


def test_trials_that_never_move_do_not_divide_by_zero() -> None:
    assert probability_of_overfitting(np.zeros((40, 3))) == 0.5


@pytest.mark.parametrize("shape", [(7, 4), (100, 1)])
def test_too_little_to_compare_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 8 rows and 2 trials"):
        probability_of_overfitting(np.zeros(shape))
