"""Folders of runs as training leaves them, without any training."""

import json
from pathlib import Path
from typing import Any

Body = dict[str, Any]

RESULTS = {"model": {"net_bps_per_bar": 0.5}, "buy_and_hold": {"net_bps_per_bar": 0.2}}


def write_run(models: Path, bucket: str, name: str, *, episodes: int) -> Path:
    """A bucket in training, with some episodes behind it; its folder."""
    folder = models / bucket / name
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").touch()
    for number in range(1, episodes + 1):
        add_episode(folder, number)
    return folder


def add_episode(folder: Path, number: int) -> None:
    """The next episode has ended."""
    row = {"episode": number, "episodes": 9, "reward": number / 10, "validation_reward": None}
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")


def write_card(folder: Path, created: str, **more: Any) -> None:
    """The bucket is trained."""
    card = {
        "format": 1, "bucket": folder.parent.name, "created": created, "episodes": 9,
        "settings": {"episodes": 9, "learner": "cfq"}, "symbol": "BTC/USDT", "interval": "5m",
        "weights_sha256": "a" * 64, "validation": {"abstains": False, "episode": 4},
        "evaluation": RESULTS, "memory": [], "degraded": False, "transfer": None,
    }  # fmt: skip
    (folder / "model.json").write_text(json.dumps({**card, **more}))


def add_transfer(models: Path, name: str, target: Path, **more: Any) -> None:
    """A transfer in the ledger, or more about it."""
    row = {
        "id": name, "time": "2026-11-26T12:00:00+00:00", "kinds": ["weights"], "reason": "",
        "source": {"bucket": "Scalping", "model": "/elsewhere/Scalping/abc234"},
        "target": {"bucket": target.parent.name, "directory": f"/elsewhere/{target.parent.name}/"
                   f"{target.name}"},
        "matched": ["price.range", "price.place"], "new": ["rsi.rsi_7"], "left": [],
        "verdict": None,
    }  # fmt: skip
    with (models / "transfers.jsonl").open("a") as file:
        file.write(json.dumps({**row, **more}) + "\n")
