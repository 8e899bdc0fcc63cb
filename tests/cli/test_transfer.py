"""Measured transfers through the real command line, daemon and workers."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from btc_ai.bus.client import Client
from btc_ai.learning.files import sha256
from tests.conftest import House, open_house

BUCKETS = {
    "A": {"MIN_HORIZON": 2, "MAX_HORIZON": 20, "FEATURES": ["price", "rsi"]},
    "B": {"MIN_HORIZON": 4, "MAX_HORIZON": 40, "FEATURES": ["price", "macd"]},
}
ON_REQUEST = ("transfer", "--from", "A", "--to", "B", "--episodes", "12")


def configure(house: House) -> None:
    """Transfers are measured. Trading is free, so that all models do."""
    house.configure(
        BUCKET_CONFIGS=BUCKETS,
        KNOWLEDGE_TRANSFER={"TRANSFER_VERIFY": "twin"},
        COST_BPS=0,
        BUFFER_SIZE=4096,
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models of a house whose first bucket is trained."""
    with open_house(tmp_path_factory.mktemp("trained")) as house:
        configure(house)
        house.run("train", "--market", "sample", "--bucket", "A", "--episodes", "4")
        return house.root / "Models"


@pytest.fixture
def two(house: House, trained: Path) -> House:
    """Two buckets, the first trained."""
    configure(house)
    shutil.copytree(trained, house.root / "Models", symlinks=True)
    house.run("daemon", "start")
    return house


def latest(house: House, bucket: str) -> Path:
    return (house.root / "Models" / bucket / "latest").resolve()


def turn_around(model: Path, factor: float = 1000) -> None:
    """Make a model want the opposite of what it wanted, and want it much more."""
    weights = load_file(model / "model.safetensors")
    for name in ("values.weight", "values.bias"):
        weights[name] = weights[name] * -factor
    save_file(weights, model / "model.safetensors")
    card = json.loads((model / "model.json").read_text())
    card["weights_sha256"] = sha256((model / "model.safetensors").read_bytes())
    (model / "model.json").write_text(json.dumps(card))


def step_of(house: House) -> dict[str, Any]:
    shown = house.json("show")
    assert shown["state"] == "done", shown
    step: dict[str, Any] = shown["steps"][-1]
    return step


def trials(house: House) -> list[str]:
    lines = (house.root / "Models" / "trials.jsonl").read_text().splitlines()
    return [Path(json.loads(line)["directory"]).name for line in lines]


@pytest.mark.slow
def test_between_buckets_a_transfer_is_measured_against_its_twin(two: House) -> None:
    with Client(two.runtime) as client:
        feed = client.subscribe("transfer.")
        text = two.run("train", "--market", "sample", "--sequence", "A", "B", "--episodes", "4")
        event, _ = next(feed.events())
    assert "weights, features and horizons from A: 1 features matched, 1 new" in text
    assert "B: transfer kept: " in text or "B: transfer rolled back: " in text
    shown = two.json("show")
    run, step = shown["run"], shown["steps"][1]
    assert step["verdict"]["decision"] in ("kept", "rolled_back")
    assert event is not None
    assert event.kind == "transfer.verdict"
    assert event.body["decision"] == step["verdict"]["decision"]
    assert event.body["low"] <= event.body["difference"] <= event.body["high"]
    assert {run, f"{run}-scratch"} <= set(trials(two))
    assert latest(two, "B") == Path(step["directory"]) == Path(step["outcome"]["model"])
    row = two.json("transfer", "show", f"{run}-1")
    assert row["verdict"] == step["verdict"]
    assert row["source"]["weights_sha256"] == shown["steps"][0]["outcome"]["weights_sha256"]
    assert row["memory"]["before"]["own_mb"] > 50
    assert row["released_mb"] < row["memory"]["before"]["own_mb"] + 200
    assert row["duration_s"] < 1
    card = json.loads((latest(two, "B") / "model.json").read_text())
    assert card["verdict"]["decision"] == step["verdict"]["decision"]
    assert card["verdict"]["source"] == row["source"]
    drawn = "└─ B " if step["verdict"]["decision"] == "kept" else "B "
    assert f"\n  {drawn}" in two.run("show")
    assert f"{run}-1" in two.run("transfer", "list")


@pytest.mark.slow
def test_a_harmful_source_is_rolled_back_and_the_twin_is_the_model(two: House) -> None:
    source = latest(two, "A")
    turn_around(source)
    before = (source / "model.safetensors").read_bytes()
    text = two.run(*ON_REQUEST)
    assert "B: transfer rolled back: below scratch" in text
    step = step_of(two)
    assert step["verdict"]["decision"] == "rolled_back"
    assert step["verdict"]["impact"]["difference"] < 0
    assert step["verdict"]["impact"]["share"] < 1
    assert latest(two, "B").name.endswith("-scratch")
    assert (source / "model.safetensors").read_bytes() == before
    assert "from scratch, for the transfer from A was rolled back" in two.run("show")
    first = latest(two, "B")
    two.run(*ON_REQUEST, "--json")
    again = step_of(two)
    assert again["verdict"] == step["verdict"]
    assert latest(two, "B") == first, "on request, a bucket keeps the model that it has"
    two.run("train", "--market", "sample", "--bucket", "B", "--episodes", "12", "--no-transfer")
    assert two.weights() == [again["outcome"]["weights_sha256"]], "the twin is a run from scratch"


@pytest.mark.slow
def test_a_transfer_that_makes_the_run_diverge_is_rolled_back(two: House) -> None:
    turn_around(latest(two, "A"), factor=1e38)
    text = two.run(*ON_REQUEST, "--kind", "weights")
    assert "B: transfer rolled back: B diverged in episode 1" in text
    (told,) = [
        one["body"]
        for one in two.ask("daemon.events", source="training", limit=1000)["events"]
        if one["kind"] == "training.diverged"
    ]
    assert (told["bucket"], told["arm"]) == ("B", "main") and "diverged in episode 1" in told[
        "text"
    ]
    step = step_of(two)
    assert step["verdict"]["decision"] == "rolled_back"
    assert latest(two, "B").name.endswith("-scratch")


def kill_daemon(house: House) -> None:
    pid, workers = house.daemon_pid, house.worker_pids
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    house.wait_for(lambda: not any(Path(f"/proc/{one}").exists() for one in workers))
    house.run("daemon", "start")


def pause_and_go_on(house: House) -> None:
    house.run("pause")
    assert house.json("show")["state"] == "paused"
    assert not house.worker_pids
    house.run("continue")


def kill_both_workers(house: House) -> None:
    for pid in house.worker_pids:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.soak
def test_kills_and_pauses_of_both_arms_change_neither_verdict_nor_model(two: House) -> None:
    two.run(*ON_REQUEST, "--kind", "weights")
    undisturbed = step_of(two)
    disturb: list[Callable[[House], None]] = [kill_daemon, kill_both_workers, pause_and_go_on]
    present = latest(two, "B")
    two.run(*ON_REQUEST, "--kind", "weights", "--detach")
    for count, each in enumerate(disturb):
        two.wait_for(lambda after=2 * count + 1: two.episode() > after)
        each(two)
        assert latest(two, "B") == present, "until the verdict"
    two.run("watch")
    step = step_of(two)
    assert step["verdict"] == undisturbed["verdict"]
    assert step["outcome"]["weights_sha256"] == undisturbed["outcome"]["weights_sha256"]


def test_a_dry_run_says_what_would_be_and_changes_nothing(two: House) -> None:
    files = sorted(two.root.rglob("*"))
    plan = two.json("transfer", "--from", "A", "--to", "B", "--kind", "horizons", "--dry-run")
    assert plan["kinds"] == ["horizons"]
    assert (plan["matched"], plan["new"], plan["left"]) == (["price"], ["macd"], ["rsi"])
    assert plan["horizons"] == {"source": [2, 20], "target": [4, 40], "overlap": [4, 20]}
    assert 0 < plan["expected_mb"] < 200
    assert plan["notes"] == []
    text = two.run("transfer", "--from", "A", "--to", "B", "--dry-run")
    assert "weights, features and horizons from A to B" in text
    assert "in common: 4 to 20 bars" in text
    assert sorted(two.root.rglob("*")) == files
    assert "C" in two.run("transfer", "--from", "A", "--to", "C", "--dry-run", code=2)
    assert "give two of A, B" in two.run("transfer", "--from", "A", "--to", "A", code=2)
    assert "both --from BUCKET and --to BUCKET" in two.run("transfer", code=2)
    assert "B has no model" in two.run("transfer", "--from", "B", "--to", "A", "--dry-run", code=1)


def test_a_target_in_training_is_refused_and_its_run_goes_on(two: House) -> None:
    two.run(
        "train", "--market", "sample", "--bucket", "B", "--episodes", "60", "--no-transfer",
        "--detach",
    )  # fmt: skip
    run = two.json("show")["run"]
    assert f"B is in training: run {run}" in two.run(*ON_REQUEST, code=1)
    assert two.json("show", run)["state"] in ("queued", "running")
    assert two.json("runs")[0]["run"] == run
    two.run("stop", run)


@pytest.mark.slow
@pytest.mark.soak
def test_a_study_decides_before_the_bucket_is_trained_and_survives_the_daemon(two: House) -> None:
    two.configure(KNOWLEDGE_TRANSFER={"TRANSFER_VERIFY": "study", "STUDY_SEEDS": 2})
    two.run(*ON_REQUEST[:-1], "2", "--detach")
    two.wait_for(lambda: "judges the transfer first" in two.run("show"))
    pid = two.daemon_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    two.wait_for(lambda: two.daemon_pid is None)
    two.run("daemon", "start")
    two.run("watch")
    studies = two.json("study", "list")
    assert [one["state"] for one in studies] == ["done"]
    step = step_of(two)
    assert step["verdict"]["study"] == studies[0]["study"]
    assert len(step["verdict"]["comparisons"]) > 1
    row = two.json("transfer", "show")
    assert row["verdict"] == step["verdict"]
    assert bool(row["kinds"]) == (row["verdict"]["decision"] == "kept")
    card = json.loads((latest(two, "B") / "model.json").read_text())
    assert card["verdict"]["decision"] == row["verdict"]["decision"]
    assert "of study" in two.run("transfer", "show")
