"""PQN and Double DQN find what there is to be found on G2; for CF-Q see tests/learning/markets."""

from pathlib import Path

import pytest

from btc_ai.learning.markets.autoregressive import AutoregressiveMarket
from btc_ai.learning.markets.proof import Proof, prove
from btc_ai.learning.model_card import read_card
from btc_ai.learning.settings import TrainingSettings


def trained(learner: str, episodes: int, directory: Path) -> Proof:
    settings = TrainingSettings("G2", 1, 72, ("signal",), episodes=episodes, learner=learner)
    return prove(AutoregressiveMarket(), settings, directory, seed=0, scored_bars=300_000)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("learner", "episodes", "least"),
    [
        ("pqn", 100, 0.85),
        ("dqn", 25, 0.5),  # following the sign of the signal earns 16 %
    ],
)
def test_share_of_the_optimum(learner: str, episodes: int, least: float, tmp_path: Path) -> None:
    share = trained(learner, episodes, tmp_path).share
    assert share is not None and share >= least
    # The signal explains 1 % of a bar, so 1 % is the most that can be had at horizon 1.
    assert read_card(tmp_path)["horizon_skill"]["1"] > 0.003
