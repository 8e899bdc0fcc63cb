"""The real pipeline on the known markets, all seeds of the bars, in shorter runs than the full
table of `python -m benchmarks.known_markets`."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from btc_ai.learning import environment
from btc_ai.learning.markets.autoregressive import AutoregressiveMarket
from btc_ai.learning.markets.proof import Proof, prove
from btc_ai.learning.markets.registry import LAG_TEST, known_markets
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.trainer import TrainingStoppedError

Array = NDArray[np.float64]


def bucket(interval: int = 1, episodes: int = 40) -> TrainingSettings:
    return TrainingSettings(
        "B", interval, 72, ("signal",), learning_rate=1e-3, episodes=episodes, validate_every=4
    )


def proof(
    name: str,
    directory: Path,
    seed: int,
    interval: int = 1,
    scored: int = 150_000,
    episodes: int = 40,
) -> Proof:
    return prove(
        known_markets()[name],
        bucket(interval, episodes),
        directory,
        seed=seed,
        bars=150_000,
        scored_bars=scored,
    )


SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in (1, 2, 3, 4))]


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ["G1", "G2", "G3", "G4"])
def test_the_optimum_is_found(name: str, seed: int, tmp_path: Path) -> None:
    found = proof(name, tmp_path, seed, episodes=60 if name in ("G2", "G4") else 40)
    assert found.shortfalls == []
    assert found.share is not None
    assert 0.95 <= found.share <= 1.001
    assert not found.abstains


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.soak)])
@pytest.mark.parametrize("interval", [6, 24])
def test_the_optimum_of_rarer_decisions_is_found(interval: int, seed: int, tmp_path: Path) -> None:
    found = proof("G2", tmp_path, seed, interval)
    assert found.shortfalls == []
    assert found.share is not None
    assert 0.93 <= found.share <= 1.001


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ["G5", "G5-GARCH"])
def test_where_there_is_nothing_next_to_nothing_is_done(
    name: str, seed: int, tmp_path: Path
) -> None:
    found = proof(name, tmp_path, seed, scored=50_000)
    assert found.shortfalls == []
    assert found.share is None
    assert found.achieved_bps >= -0.02
    assert found.turnover < 0.005


def lag_test(directory: Path, scored: int = 1_000_000) -> Proof:
    return proof(LAG_TEST, directory, seed=0, scored=scored)


@pytest.mark.slow
def test_orders_are_filled_when_they_should_be(tmp_path: Path) -> None:
    found = lag_test(tmp_path)
    assert found.shortfalls == []
    assert 0.93 <= found.realised_bps <= 1.05


@pytest.mark.slow
@pytest.mark.parametrize(("late", "least", "most"), [(1, 0.8, 0.9), (-1, 3, 12)])
def test_a_planted_lag_and_a_planted_look_ahead_fall_outside(
    late: int, least: float, most: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every order filled a bar late; every order filled at the open of the bar just seen."""
    right = environment.bar_returns

    def wrong(log_open: Array, segment_ids: NDArray[np.int64]) -> Array:
        earned = np.full(len(log_open), np.nan)
        shifted = right(log_open, segment_ids)
        earned[max(0, -late) : len(earned) - max(0, late)] = shifted[
            max(0, late) : len(earned) - max(0, -late)
        ]
        return earned

    monkeypatch.setattr(environment, "bar_returns", wrong)
    found = lag_test(tmp_path, scored=1_000_000 if late > 0 else 400_000)
    assert least <= found.realised_bps <= most
    assert "is not within" in found.shortfalls[0]


def test_a_proof_is_json_goes_on_where_it_was_stopped_and_follows_its_seed(tmp_path: Path) -> None:
    market = AutoregressiveMarket(beta=0.4, features=("signal",))
    quick = dataclasses.replace(bucket(episodes=8), batch_size=8, window=16)
    options = {"bars": 8_000, "scored_bars": 20_000}
    episodes: list[int] = []

    def after_three() -> bool:
        return len(episodes) >= 3

    def run(directory: str, seed: int, should_stop: Callable[[], bool] = lambda: False) -> Proof:
        return prove(
            market,
            quick,
            tmp_path / directory,
            seed=seed,
            on_episode=lambda metrics: episodes.append(metrics.episode),
            should_stop=should_stop,
            **options,
        )

    whole, other = run("whole", 1), run("other", 2)
    episodes.clear()
    with pytest.raises(TrainingStoppedError):
        run("stopped", 1, after_three)
    resumed = run("stopped", 1)
    assert episodes == list(range(1, 9))
    assert dataclasses.replace(resumed, cpu_seconds=0) == dataclasses.replace(whole, cpu_seconds=0)
    assert other.achieved_bps != whole.achieved_bps
    told = json.loads(json.dumps(whole.to_json()))
    assert told["market"] == "G2"
    assert told["share"] == pytest.approx(whole.achieved_bps / whole.best_bps)


OUTSIDE = "bps a bar is not within 0.93 … 1.05"
FLAT = Proof("G5", "B", 0, 1, 0.0, 0.0, 0.0, None, 0.0, 0.0, abstains=True, cpu_seconds=1.0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, []),
        ({"achieved_bps": -0.05}, ["loses 0.050 bps a bar, more than 0.02"]),
        ({"turnover": 0.01}, ["turnover 0.0100 a bar is not below 0.005"]),
        ({"share": 0.96}, []),
        ({"share": 0.94}, ["94.0% of the optimum, not 95%"]),
        ({"share": 0.94, "interval": 6}, []),
        ({"share": 0.92, "interval": 6}, ["92.0% of the optimum, not 93%"]),
        ({"market": "G6", "realised_bps": 1.0}, []),
        ({"market": "G6", "realised_bps": 0.88}, [f"realised +0.880 {OUTSIDE}"]),
        ({"market": "G6", "realised_bps": 11.45}, [f"realised +11.450 {OUTSIDE}"]),
    ],
)  # fmt: skip
def test_what_was_missed_is_said_in_words(changes: dict[str, object], words: list[str]) -> None:
    assert dataclasses.replace(FLAT, **changes).shortfalls == words  # type: ignore[arg-type]
