"""`evaluate`, `audit`, `test-pipeline` and `predict` through the real command line and daemon."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import House, open_house

SAMPLE = ("--market", "sample")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house with models of two buckets on the sample market."""
    with open_house(tmp_path_factory.mktemp("trained")) as house:
        house.configure(BUFFER_SIZE=10_000)
        house.run("train", *SAMPLE, "--sequence", "Short", "Medium", "--episodes", "5")
        yield house


def test_a_finished_model_is_evaluated_twice_the_same(trained: House) -> None:
    first, second = (trained.json("evaluate")["parts"] for _ in range(2))
    assert first == second
    assert [part["name"] for part in first] == ["Short", "Medium"]
    report = first[0]["result"]
    assert report["synthetic"]
    assert set(report["policies"]) >= {"model", "flat", "buy_and_hold", "random", "macd"}
    assert report["selection"]["trials"] == 2
    assert report["seen"] == {"trained": 0, "chosen": 0}
    text = trained.run("evaluate", "--bucket", "Short")
    assert "SAMPLE/USDT 5m (synthetic)" in text
    assert "2 trials on SAMPLE/USDT" in text


def test_bars_that_were_trained_on_are_counted(trained: House) -> None:
    dates = ("--from", "2024-03-01", "--to", "2024-04-01")
    report = trained.json("evaluate", "--bucket", "Medium", *dates)["parts"][0]["result"]
    assert report["seen"]["trained"] == report["bars"] == 31 * 288
    assert not report["passed"]
    text = trained.run("evaluate", "--bucket", "Medium", *dates)
    assert "trained on 8,928 of these 8,928 bars" in text


@pytest.mark.slow
def test_walk_forward_trains_each_fold_once(trained: House) -> None:
    folds = ("evaluate", *SAMPLE, "--bucket", "Short", "--folds", "2", "--episodes", "2")
    first = trained.json(*folds)["parts"][0]["result"]
    models = sorted((trained.root / "Models/_evaluations").glob("*/fold-*/model.json"))
    written = [path.stat().st_mtime_ns for path in models]
    again = trained.json(*folds)["parts"][0]["result"]
    assert len(models) == len(first["folds"]) == 2
    assert [path.stat().st_mtime_ns for path in models] == written
    assert again["policies"] == first["policies"]
    assert "was not touched" in first["notes"][-1]


@pytest.mark.slow
def test_the_built_in_features_do_not_leak(trained: House) -> None:
    job = trained.json("audit", *SAMPLE, "--bucket", "Short")
    checks = job["parts"][0]["result"]["checks"]
    assert len(checks) == 5
    assert all(check["passed"] for check in checks)


def test_predict_says_what_the_model_does_at_the_newest_candle(trained: House) -> None:
    signal_now = trained.json("predict")
    assert [one["bucket"] for one in signal_now["buckets"]] == ["Short", "Medium"]
    assert -1 <= signal_now["position"] <= 1
    assert [one["bars"] for one in signal_now["buckets"][0]["horizons"]] == [6, 13, 29, 65, 144]
    earlier = trained.json("predict", "--bucket", "Short", "--at", "2024-07-01T12:00")
    assert earlier["time"] == 1719835200000
    assert "together" in trained.run("predict")


def test_following_shows_a_signal_for_each_new_candle(trained: House) -> None:
    process = trained.popen("predict", "--bucket", "Short", "--follow", "--json")
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    trained.wait_for(lambda: _followers(trained) == 1)
    candles = next((trained.root / "Data").glob("*.parquet"))
    candles.touch()
    assert json.loads(process.stdout.readline()) == first
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130


def _followers(house: House) -> int:
    plugins = house.ask("daemon.status")["plugins"]
    status = next(one["status"] for one in plugins if one["name"] == "signal")
    return int(status["following"])


@pytest.mark.slow
def test_the_pipeline_proves_itself(trained: House) -> None:
    trained.configure(BUFFER_SIZE=20_000)
    few = ("--markets", "G1,G5", "--sequence", "Short", "--seeds", "2", "--episodes", "10")
    job = trained.json("test-pipeline", *few)
    known, audited = job["parts"][:2], job["parts"][2]
    assert [part["result"]["market"] for part in known] == ["G1", "G5"]
    assert all(part["result"]["passed"] for part in [*known, audited])
    assert known[0]["result"]["share"] > 0.75
    assert known[1]["result"]["turnover"] < 0.005
    assert not list((trained.root / "Models/_evaluations").glob("*-G1-*"))


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("evaluate", "--bucket", "Shrt"), 2, "did you mean 'Short'"),
        (("evaluate", "--bucket", "Long"), 1, "Long has no model yet"),
        (("evaluate", "--from", "tomorrow"), 2, "is no date or time"),
        (("evaluate", "--from", "2019-01-01", "--to", "2019-02-01"), 1, "does not lie within"),
        (("evaluate", "--folds", "2", "--from", "2024-01-01"), 2, "exclude each other"),
        (("evaluate", "--episodes", "5"), 2, "are for --folds"),
        (("evaluate", "--folds", "50", "--market", "sample", "--bucket", "Medium"), 1, "would fit"),
        (("evaluate", "--bucket", "Short", "--symbol", "ETH/USDT"), 1, "ETH-USDT"),
        (("audit", "--market", "mars"), 2, "unknown market 'mars'"),
        (("test-pipeline", "--markets", "G9"), 2, "unknown market 'G9'"),
        (("test-pipeline", "--sequence", "Shrt"), 2, "did you mean 'Short'"),
        (("predict", "--bucket", "Long"), 1, "no model of Long"),
        (("predict", "--at", "noon"), 2, "is no date or time"),
        (("predict", "--at", "2019-01-01"), 1, "does not lie within"),
    ],
)
def test_bad_input(trained: House, arguments: tuple[str, ...], code: int, says: str) -> None:
    assert says in " ".join(trained.run(*arguments, code=code).split())


def test_without_models(house: House) -> None:
    assert "btc-ai train" in house.run("evaluate", code=1)
    assert "btc-ai train" in house.run("predict", code=1)


def test_a_model_whose_features_changed_names_both_sides(trained: House, tmp_path: Path) -> None:
    card = next((trained.root / "Models/Short").glob("*/model.json"))
    original = card.read_text()
    card.write_text(original.replace('"rsi.rsi_7"', '"rsi.rsi_8"'))
    try:
        text = trained.run("evaluate", "--bucket", "Short", code=1)
    finally:
        card.write_text(original)
    assert "rsi.rsi_8" in text
