"""The transfer plugin's plans, through a real daemon."""

import json
from pathlib import Path
from typing import Any

import pytest

from btc_ai.bus.client import Client
from btc_ai.errors import BtcAiError
from tests.conftest import House


def _plan(house: House, card: str | dict[str, Any], features: list[str]) -> dict[str, Any]:
    text = card if isinstance(card, str) else json.dumps(card)
    (house.root / "model.json").write_text(text)
    with Client(house.runtime) as client:
        body = {"source": str(house.root), "target": "Long", "features": features}
        return client.call("transfer.plan", body)


def _card(*features: str) -> dict[str, Any]:
    return {"settings": {"bucket": "Short", "features": list(features)}}


def test_features_are_matched_by_name(house: House) -> None:
    house.run("daemon", "start")
    plan = _plan(house, _card("price", "rsi", "ema"), ["ema", "macd", "price"])
    assert plan["kinds"] == ["weights", "features", "horizons"]
    assert plan["notes"] == [
        "Short and Long are not neighbours in Scalping → Short → Medium → Long",
        "Short keeps no feature importance; train it again to carry that over",
    ]
    assert plan["matched"] == ["ema", "price"]
    assert plan["new"] == ["macd"]
    assert plan["left"] == ["rsi"]


@pytest.mark.parametrize(
    ("card", "says"),
    [
        ("no json", "cannot be read"),
        ("{}", "cannot be read"),
        (_card("rsi"), "share no feature"),
    ],
)
def test_why_not(house: House, card: str | dict[str, Any], says: str) -> None:
    house.run("daemon", "start")
    plan = _plan(house, card, ["price"])
    assert plan["kinds"] == []
    assert says in plan["reason"]


def test_a_kind_can_be_switched_off(house: House) -> None:
    house.configure(KNOWLEDGE_TRANSFER={"TRANSFER_WEIGHTS": False})
    house.run("daemon", "start")
    assert _plan(house, _card("price"), ["price"])["kinds"] == ["features", "horizons"]


def test_switched_off(house: House) -> None:
    house.configure(KNOWLEDGE_TRANSFER={"ENABLED": False})
    house.run("daemon", "start")
    plan = _plan(house, _card("price"), ["price"])
    assert "switches it off" in plan["reason"]


def test_a_run_goes_on_without_a_transfer_that_cannot_be(house: House) -> None:
    house.configure(
        BUCKET_CONFIGS={
            "A": {"MIN_HORIZON": 2, "MAX_HORIZON": 20, "FEATURES": ["price"]},
            "B": {"MIN_HORIZON": 4, "MAX_HORIZON": 40, "FEATURES": ["rsi"]},
        }
    )
    text = house.run("train", "--market", "sample", "--episodes", "1")
    assert "no transfer: A and B share no feature" in text
    assert Path(house.json("show")["steps"][1]["outcome"]["model"]).is_dir()


def test_a_dry_run_refuses_what_the_transfer_would(house: House) -> None:
    refused = [
        ("Short", "Short", "give two of"),
        ("Shrt", "Long", "Short"),
        ("Short", "Lng", "Long"),
        ("Short", "Long", "no model to carry over"),
    ]
    house.run("daemon", "start")
    with Client(house.runtime) as client:
        for source, target, says in refused:
            for command in ("transfer.plan", "transfer.start"):
                with pytest.raises(BtcAiError, match=says):
                    client.call(command, {"source": source, "target": target})
