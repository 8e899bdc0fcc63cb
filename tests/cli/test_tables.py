"""What a person sees of a run, on terminals wide and narrow."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from btc_ai.cli.tables import COLUMNS, summary

RESULT = {
    "net_bps_per_bar": -0.0977, "total_return": -0.1424, "sharpe": -12.59, "max_drawdown": 0.176,
    "win_rate": 1.0, "profit_factor": 10.76, "trades": 12_448,
}  # fmt: skip


def drawn(bucket: str, width: int) -> str:
    outcome = {"evaluation": {"model": RESULT, "buy_and_hold": RESULT}}
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


def test_every_column_from_80_characters_on() -> None:
    assert all(name in drawn("Scalping", 80) for name in COLUMNS)
