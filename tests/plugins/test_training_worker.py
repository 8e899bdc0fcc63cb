"""What a worker makes of a run that diverges."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from btc_ai.learning.memory.backend import MB
from btc_ai.learning.memory.host import HostMemory, PeakMemory
from btc_ai.learning.model_card import CARD, FORMAT
from btc_ai.learning.network import QNetwork
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.start import InitialModel, Start
from btc_ai.learning.trainer import DivergedError
from btc_ai.learning.transfer.milestones import MILESTONES, Milestone
from btc_ai.learning.transfer.safeguard import Safeguard, TransferReport
from btc_ai.names import TransferKind
from btc_ai.plugins.training import worker

Body = dict[str, Any]

SETTINGS = TrainingSettings(
    bucket="Small", min_horizon=2, max_horizon=24, features=("price",), episodes=1
)
DIVERGED = {"diverged": {"text": "the loss is no number"}}


class Step:
    """The context of a step that is not asked to stop."""

    log = logging.getLogger(__name__)

    def __init__(self) -> None:
        self.said: list[Body] = []

    def progress(self, body: Body) -> None:
        self.said.append(body)

    def should_stop(self) -> bool:
        return False


def train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kinds: tuple[TransferKind, ...], step: Step
) -> Body:
    """A measured run that carries `kinds` and whose loss is then no number any more."""
    report = TransferReport(("weights",), kinds, (), {}, None, {}, 0.0)

    def diverge(*_: object, safeguard: Safeguard, **__: object) -> None:
        safeguard.on_report(report)
        raise DivergedError("the loss is no number")

    monkeypatch.setattr(worker, "train_bucket", diverge)
    monkeypatch.setattr(worker, "load_candles", lambda *_, **__: None)
    monkeypatch.setattr(worker, "require_sound_features", lambda *_, **__: None)
    transfer = {
        "id": "r-1", "kinds": ["weights"], "ledger": str(tmp_path / "transfers.jsonl"),
        "max_memory": 0.8, "source": {"bucket": "A", "model": "/m/A", "weights_sha256": "a"},
    }  # fmt: skip
    arguments: Body = {
        "settings": SETTINGS.to_json(), "data_dir": str(tmp_path), "symbol": "s", "interval": "5m",
        "market": None, "directory": str(tmp_path / "run"), "scratch": str(tmp_path / "twin"),
        "trials": str(tmp_path / "trials"), "continue_from": None, "transfer": transfer,
        "run": "r", "memory_limits": {}, "degraded": False,
    }  # fmt: skip
    return worker.train_step(arguments, step)  # type: ignore[arg-type]


def test_a_transfer_that_diverges_is_rolled_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Step()
    ended = train(tmp_path, monkeypatch, ("weights",), step)
    assert ended == {"rolled_back": "transfer rolled back: the loss is no number"}
    assert step.said[-1] == DIVERGED


def test_a_run_that_carries_nothing_and_diverges_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Step()
    with pytest.raises(DivergedError):
        train(tmp_path, monkeypatch, (), step)
    assert step.said[-1] == DIVERGED


@pytest.mark.parametrize("arm", ["run", "twin"])
def test_one_degraded_arm_is_no_pair_for_the_other(tmp_path: Path, arm: str) -> None:
    """The milestones would say that the transfer is to be rolled back."""
    for name, value in (("run", 1.0), ("twin", 2.0)):
        (tmp_path / name).mkdir()
        card = {"format": FORMAT, "degraded": name == arm}
        (tmp_path / name / CARD).write_text(json.dumps(card))
        end = Milestone(1.0, 4, value, np.full(3, value))
        (tmp_path / name / MILESTONES).write_text(json.dumps(end.to_json()) + "\n")
    arguments: Body = {
        "directory": str(tmp_path / "run"), "scratch": str(tmp_path / "twin"), "failure": None,
        "transfer": {"id": "r-1", "ledger": str(tmp_path / "t")}, "rolled_back": None,
        "settings": {"seed": 0},
    }  # fmt: skip
    verdict = worker.judge_step(arguments, Step())  # type: ignore[arg-type]
    assert verdict["decision"] is None
    assert "for want of memory" in verdict["error"]


def test_the_peak_of_a_process_is_that_of_all_its_life(tmp_path: Path) -> None:
    """Measuring that of a transfer makes the kernel forget what was before."""
    held = np.ones(64 * MB // 8)
    before = held.nbytes / MB + HostMemory().read().own / MB - 64
    safeguard = Safeguard(tmp_path)

    def make(initial: InitialModel | None) -> Start:
        nonlocal held
        held = held[:0].copy()
        PeakMemory().reset()
        generator = torch.Generator()
        return Start(QNetwork(("a",), (1,), generator), generator)

    safeguard.begin(InitialModel(tmp_path / "none", kinds=()), make)
    assert worker._peak_mb(safeguard) >= round(before, 1)
