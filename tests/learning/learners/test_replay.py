import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_ai.learning.learners.replay import ReplayBuffer

INTERVAL, WINDOW, DISCOUNT = 3, 4, 0.9


def fill(replay: ReplayBuffer, steps: int, seed: int) -> list[list[tuple[int, int, int, float]]]:
    """Steps of windows of 4 decisions; (bar, held, action, reward) [steps][lanes]."""
    generator = torch.Generator().manual_seed(seed)
    history = []
    for step in range(steps):
        if step % WINDOW == 0:
            bars = torch.randint(10**9, (replay.lanes,), generator=generator)
            held = torch.randint(3, (replay.lanes,), generator=generator)
        actions = torch.randint(3, (replay.lanes,), generator=generator)
        rewards = torch.randn(replay.lanes, generator=generator)
        replay.add(bars, held, actions, rewards, WINDOW - step % WINDOW)
        rows = (bars.tolist(), held.tolist(), actions.tolist(), rewards.tolist())
        history.append(list(zip(*rows, strict=True)))
        bars, held = bars + INTERVAL, actions
    return history


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    lanes=st.integers(1, 5),
    spare=st.integers(0, 40),
    steps=st.integers(1, 30),
    ahead=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_sample_is_what_happened(
    lanes: int, spare: int, steps: int, ahead: int, seed: int
) -> None:
    replay = ReplayBuffer(lanes + spare, lanes, INTERVAL, torch.device("cpu"))
    history = fill(replay, steps, seed)
    whole = [(step, lane) for step in range(steps) for lane in range(lanes)]
    kept = {history[step][lane][0]: (step, lane) for step, lane in whole[-replay.capacity :]}
    drawn = replay.sample(64, ahead, DISCOUNT, torch.Generator().manual_seed(seed))
    assert len(replay) == min(replay.capacity, steps * lanes)
    for i in range(64):
        step, lane = kept[int(drawn.bars[i])]
        stop = min(step + ahead, steps, step - step % WINDOW + WINDOW)
        path = [history[at][lane] for at in range(step, stop)]
        assert (int(drawn.held[i]), int(drawn.actions[i])) == path[0][1:3]
        gained = sum(DISCOUNT**j * row[3] for j, row in enumerate(path))
        assert float(drawn.returns[i]) == pytest.approx(gained, abs=1e-5)
        assert int(drawn.later_bars[i]) == path[-1][0] + INTERVAL
        assert int(drawn.later_held[i]) == path[-1][2]
        assert float(drawn.discounts[i]) == pytest.approx(DISCOUNT ** len(path))


def test_every_transition_that_is_there_is_drawn_and_no_other() -> None:
    replay = ReplayBuffer(10, 4, INTERVAL, torch.device("cpu"))
    history = fill(replay, 4, 0)
    bars = [row[0] for step in history for row in step]
    drawn = replay.sample(2_000, 1, DISCOUNT, torch.Generator().manual_seed(0))
    assert set(drawn.bars.tolist()) == set(bars[-10:])


def test_it_keeps_indices_not_features() -> None:
    replay = ReplayBuffer(1_000, 4, INTERVAL, torch.device("cpu"))
    kept = [t for t in replay.state_dict().values() if t.dim()]
    assert sum(tensor.nbytes for tensor in kept) == 16 * 1_000
