"""A run writes down what it was worth along its budget."""

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_ai.learning.evidence import DAY
from btc_ai.learning.metrics import METRICS
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.transfer.milestones import MILESTONES, milestone_shares, read_milestones
from btc_ai.market.candles import Candles
from tests.learning.test_bucket import train


def test_the_start_and_five_shares_of_the_budget_are_validated_and_kept(
    walk: Candles, small: TrainingSettings, tmp_path: Path
) -> None:
    settings = dataclasses.replace(small, episodes=20, validate_every=7, buffer_size=256)
    result = train(walk, settings, tmp_path)
    found = read_milestones(result.model)
    assert [(m.share, m.episode) for m in found] == [
        (0.0, 0), (0.05, 1), (0.1, 2), (0.25, 5), (0.5, 10), (1.0, 20),
    ]  # fmt: skip
    rows = [json.loads(line) for line in (result.model / METRICS).read_text().splitlines()]
    validated = [row["episode"] for row in rows if row["validation_reward"] is not None]
    assert validated == [1, 2, 5, 7, 10, 14, 20]
    assert found[0].value == result.validation["start_value"]
    assert found[-1].value == result.validation["value"]
    by_episode = {row["episode"]: row["validation_reward"] for row in rows}
    assert found[1].value == by_episode[1]
    bars = 0.15 * len(walk)
    for milestone in found:
        assert len(milestone.blocks) == bars // DAY
        assert milestone.blocks.mean() == pytest.approx(milestone.value, abs=1.0)


@given(st.integers(1, 5000))
def test_shares_grow_with_episodes_and_end_at_the_whole(episodes: int) -> None:
    shares = milestone_shares(episodes)
    assert list(shares) == sorted(shares)
    assert list(shares.values()) == sorted(shares.values())
    assert shares[episodes] == 1.0
    assert all(episode >= share * episodes - 1e-9 for episode, share in shares.items())


def test_a_line_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    assert read_milestones(tmp_path) == []
    row = json.dumps({"share": 0.0, "episode": 0, "value": 1.0, "blocks": [1.0]})
    (tmp_path / MILESTONES).write_text(f"{row}\n{row[:20]}")
    assert [m.value for m in read_milestones(tmp_path)] == [1.0]
