"""What a person sees of a run, on terminals wide and narrow."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from btc_ai.cli.bars import BarView
from btc_ai.cli.tables import COLUMNS, summary

RESULT = {
    "net_bps_per_bar": -0.0977, "total_return": -0.1424, "sharpe": -12.59, "max_drawdown": 0.176,
    "win_rate": 1.0, "profit_factor": 10.76, "trades": 12_448,
}  # fmt: skip


def drawn(bucket: str, width: int, result: dict[str, Any] = RESULT) -> str:
    evaluation = {"model": result, "buy_and_hold": result}
    outcome = {"validation": {"abstains": False}, "evaluation": evaluation}
    state: dict[str, Any] = {
        "run": "abc234", "symbol": "BTC/USDT", "interval": "5m", "synthetic": False,
        "steps": [
            {"bucket": bucket, "state": "done", "outcome": outcome},
            {"bucket": "Long", "state": "waiting", "outcome": None},
        ],
    }  # fmt: skip
    console = Console(file=StringIO(), width=width)
    console.print(summary(state, console.width))
    return str(console.file.getvalue())  # type: ignore[attr-defined]  # a StringIO, from above


@pytest.mark.parametrize("width", [60, 80, 140])
@pytest.mark.parametrize("bucket", ["Scalping", "A-bucket-of-a-long-name-of-its-own"])
def test_no_number_is_cut(bucket: str, width: int) -> None:
    text = drawn(bucket, width)
    assert "…" not in text
    assert text.count("-0.0977") == 2
    assert "12,448" in text


def test_a_wide_number_costs_a_column_not_the_name_of_the_bucket() -> None:
    text = drawn("Scalping", 80, {**RESULT, "profit_factor": 1190.04, "trades": 1_112_448})
    assert "Scalping" in text
    assert "1190.04" in text
    assert "max dd" not in text


def test_every_column_from_80_characters_on() -> None:
    assert all(name in drawn("Scalping", 80) for name in COLUMNS)


@pytest.mark.parametrize("width", [60, 80, 96, 140])
def test_bars_keep_bucket_episode_and_time_left(width: int) -> None:
    console = Console(file=StringIO(), width=width, force_terminal=True, color_system=None)
    view = BarView(console)
    step = {"position": 0, "bucket": "Scalping", "state": "running", "transfer": None}
    view.run(
        {"state": "running", "steps": [{**step, "episodes": 100, "episode": 0, "metrics": {}}]}
    )
    metrics = {
        "episodes": 100, "reward": -0.11, "loss": 0.44, "win_rate": 0.43, "profit_factor": 0.66,
        "bars_per_second": 107_000.0,
    }  # fmt: skip
    view.past(0, [{"reward": -0.3}, {"reward": -0.2}])
    gpu = {"index": 1, "utilisation": None, "memory": 0.9}
    view.sample({"host": {"cpu": 0.25, "memory": 0.5}, "gpus": [gpu]})
    view.progress({"position": 0, "episode": 13, "metrics": metrics, "eta_s": 300.0})
    view._live.refresh()
    view.close()
    text = str(console.file.getvalue())  # type: ignore[attr-defined]  # a StringIO, from above
    last = text[text.rindex("Scalping") :]
    assert "…" not in last
    for said in ("Scalping", "13/100", "reward -0.110", "5 min left"):
        assert said in last
    assert ("loss 0.440" in last) == (width >= 80)
    assert ("107k bars/s" in last) == (width >= 96)
    assert ("▁▅█" in last) == (width == 140)
    assert "CPU ██────── 25%" in text and "CPU" not in last
    assert ("GPU 1 ──────── 0%   its memory ███████─ 90%" in text) == (width >= 96)
