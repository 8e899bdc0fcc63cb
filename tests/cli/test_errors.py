"""Bad input: a clear word, an exit code, nothing lost, no traceback (House.run checks that)."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import House, open_house

SAMPLE = ("train", "--market", "sample")


@pytest.fixture
def running(house: House) -> House:
    house.run("daemon", "start")
    return house


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon that is never given anything to do."""
    with open_house(tmp_path_factory.mktemp("idle")) as house:
        house.run("daemon", "start")
        yield house


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--sequence", "Scalping", "Shrt"), 2, "did you mean 'Short'"),
        (("--sequence", "Short", "Short"), 2, "twice"),
        (("--bucket", "Short", "--sequence", "Long"), 2, "exclude each other"),
        (("--episodes", "0"), 2, "--episodes"),
        (("--episodes", "many"), 2, "--episodes"),
        (("--episodes", "101"), 2, "MAX_EPISODES"),
        (("--market", "mars"), 2, "unknown market 'mars'"),
        (("--market", "sample", "--symbol", "BTC/USDT"), 2, "exclude each other"),
        (("--seed", "-1"), 2, "--seed"),
        (("--seq", "Short"), 2, "--seq"),
        (("--resume",), 1, "there is no unfinished run"),
        (("--resume", "--bucket", "Medium"), 1, "neither an unfinished run nor a model"),
        (("--resume", "--bucket", "../x"), 2, "unknown bucket"),
        (("--resume", "--seed", "3"), 2, "leave out --seed"),
        (("--interval", "7q"), 2, "--interval"),
        (("--bucket", ""), 2, "unknown bucket ''"),
        (("--symbol", ""), 2, "--symbol '' is no market"),
        (("--symbol", "../x/y"), 2, "--symbol"),
        (("--symbol", "A" * 9999), 2, "--symbol"),
        (("--sequence", "--episodes", "2"), 2, "names no bucket"),
        (("--episodes", "9" * 30), 2, "--episodes"),
    ],
)
def test_options(idle: House, arguments: tuple[str, ...], code: int, says: str) -> None:
    assert says in " ".join(idle.run("train", *arguments, code=code).split())
    assert idle.ask("training.runs")["runs"] == []


@pytest.mark.parametrize("command", ["status", "runs", "show", "watch", "stop", "pause"])
def test_without_a_daemon(house: House, command: str) -> None:
    assert "btc-ai daemon start" in house.run(command, code=3)


def test_no_autostart(house: House) -> None:
    assert "no daemon is reachable" in house.run("--no-autostart", *SAMPLE, code=3)


@pytest.mark.parametrize("arguments, code, says", [
    (("train",), 1, "which needs no data: --market sample"),
    (("train", *SAMPLE[1:], "--bucket", "Shrt"), 2, "did you mean 'Short'?"),
    (("train", *SAMPLE[1:], "--episodes", "101"), 2, "more than MAX_EPISODES (100)"),
    (("study", "transfer", "--symbol", "ETH/USDT"), 1, "there are no candles of ETH/USDT"),
])  # fmt: skip
def test_no_daemon_is_started_for_what_it_would_refuse(
    house: House, arguments: tuple[str, ...], code: int, says: str
) -> None:
    assert says in house.run(*arguments, code=code)
    assert not (house.runtime / "daemon.lock").exists()


def test_unknown_runs(running: House) -> None:
    assert "there are no runs yet" in running.run("show", code=1)
    running.run(*SAMPLE, "--bucket", "Short", "--episodes", "1")
    assert "there is no run 'zzz'" in running.run("stop", "zzz", code=1)
    assert "nothing to interrupt" in running.run("stop", code=1)
    assert "nothing to continue" in running.run("continue", code=1)


def test_missing_candles(running: House) -> None:
    text = running.run("train", "--episodes", "1", code=1)
    assert "BTC/USDT 5m" in text
    assert "btc-ai data import" in text


def test_corrupt_candles_then_resume(house: House) -> None:
    house.run("data", "sample")
    path = next((house.root / "Data").glob("*.parquet"))
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])
    text = house.run("train", "--symbol", "SAMPLE/USDT", "--bucket", "Short", code=1)
    assert path.name in text
    path.write_bytes(good)
    house.run("train", "--resume")


def test_too_few_candles_say_how_many(house: House) -> None:
    bucket = {"MIN_HORIZON": 500, "MAX_HORIZON": 50_000, "FEATURES": ["price"]}
    house.configure(BUCKET_CONFIGS={"Giant": bucket})
    text = house.run(*SAMPLE, "--episodes", "1", code=1)
    assert "candles" in text
    assert any(word.replace(",", "").isdigit() for word in text.split())


def test_an_invalid_configuration_stops_the_start_and_names_everything(house: House) -> None:
    house.configure(GAMMA=2, learning_rate=1)
    text = house.run("train", code=1)
    assert "GAMMA: 2" in text
    assert "did you mean 'LEARNING_RATE'" in text
    house.wait_for(lambda: house.daemon_pid is None)


def test_a_configuration_that_breaks_later_loses_nothing(running: House) -> None:
    running.configure(BATCH_SIZE=0)
    assert "BATCH_SIZE" in running.run(*SAMPLE, code=1)
    assert running.daemon_pid is not None


def test_moved_folders_want_a_restart(running: House) -> None:
    running.configure(MODELS_DIR="elsewhere")
    assert "btc-ai daemon restart" in running.run(*SAMPLE, code=1)


def test_a_second_daemon_is_refused(running: House) -> None:
    assert "already running" in running.run("daemon", "start", code=1)
    assert f"process {running.daemon_pid}" in running.run("daemon", "run", code=1)


def test_models_dir_that_is_no_folder(house: House) -> None:
    (house.root / "file").write_text("")
    house.configure(MODELS_DIR="file/models")
    text = house.run(*SAMPLE, code=1)
    assert "file/models" in text
    house.wait_for(lambda: house.daemon_pid is None)


def test_another_configuration_than_the_daemons_is_refused(running: House) -> None:
    other = running.root / "other.json"
    other.write_text("{}")
    text = running.run("--config", str(other), *SAMPLE, code=1)
    assert str(running.config_file) in text
    assert str(other) in text


@pytest.fixture
def small_disk(house: House) -> Iterator[Path]:
    """A MODELS_DIR on a file system of 1 MiB; it takes a real mount."""
    folder = house.root / "Models"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        reason = "a small file system cannot be mounted here; run the tests as root"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    yield folder
    house.close()
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_then_resume(house: House, small_disk: Path) -> None:
    arguments = (*SAMPLE, "--bucket", "Short", "--episodes", "6")
    filler = small_disk / "filler"
    filler.write_bytes(bytes(880 * 1024))
    text = house.run(*arguments, code=1)
    assert "disk full while writing" in text
    assert "btc-ai train --resume" in text
    assert house.json("show")["state"] == "failed"
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,size=20M", str(small_disk)], check=True)
    house.run("train", "--resume")
    resumed = house.weights()
    house.run(*arguments)
    assert house.weights() == resumed


def test_a_run_that_failed_at_once_does_not_stand_in_the_way(house: House) -> None:
    house.configure(BUFFER_SIZE=20_000)
    house.run(*SAMPLE, "--bucket", "Scalping", "--episodes", "100", "--detach")
    house.wait_for(lambda: house.episode() >= 2)
    house.run("stop")
    stopped = house.json("show")
    assert [step["state"] for step in stopped["steps"]] == ["stopped"]
    (house.root / "Data" / "ETH-USDT_5m.parquet").write_bytes(b"PAR1")
    house.run("train", "--symbol", "ETH/USDT", "--bucket", "Long", code=1)
    text = house.run("train", "--resume", "--detach")
    assert f"takes up run {stopped['run']} at Scalping" in text
    assert "stopped" in house.run("stop")


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with a run."""
    with open_house(tmp_path_factory.mktemp("training")) as house:
        house.run(*SAMPLE, "--bucket", "Short", "--episodes", "1", "--detach")
        yield house


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("train", "--sequence", ""), 2, "names no bucket"),
        (("train", "--seed", "9" * 30), 2, "--seed"),
        (("train", "--resume", "--no-transfer"), 2, "leave out --no-transfer"),
        (("data", "import", "nope.csv", "--symbol", "BTC/USDT"), 1, "does not exist"),
        (("show", ""), 1, "there is no run ''"),
    ],
)
def test_more_options(training: House, arguments: tuple[str, ...], code: int, says: str) -> None:
    assert says in " ".join(training.run(*arguments, code=code).split())


def test_missing_candles_leave_no_run_behind(running: House) -> None:
    text = running.run("train", "--symbol", "ETH/USDT", code=1)
    assert "ETH-USDT_5m.parquet is missing" in text
    assert running.json("runs") == []


def test_another_sample_market_is_not_replaced_unasked(house: House) -> None:
    house.run("data", "sample")
    house.run("data", "sample")
    assert "--replace" in house.run("data", "sample", "--seed", "3", code=1)
    house.run("data", "sample", "--seed", "3", "--replace")


def test_an_output_that_cannot_be_written(running: House) -> None:
    for target in ("/dev/full", "/dev/null"):
        with Path(target).open("w") as out:
            done = subprocess.run(
                [sys.executable, "-m", "btc_ai.cli.app", "status"],
                env=running.environment, stdout=out, stderr=subprocess.PIPE, text=True,
                check=False,
            )  # fmt: skip
        assert "Traceback" not in done.stderr
        assert (done.returncode == 0) == (target == "/dev/null")
    closed = 'exec "$0" -m btc_ai.cli.app status >&-'
    done = subprocess.run(
        ["sh", "-c", closed, sys.executable],
        env=running.environment, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_a_plain_locale(running: House) -> None:
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    running.run("data", "sample")
    for arguments in (("data", "check"), ("data", "list")):
        done = subprocess.run(
            [sys.executable, "-m", "btc_ai.cli.app", *arguments],
            env=running.environment | plain, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")


def test_restart_does_not_stop_a_daemon_that_could_not_start_again(running: House) -> None:
    pid = running.daemon_pid
    running.configure(GAMMA=2)
    assert "GAMMA: 2" in running.run("daemon", "restart", code=1)
    assert running.daemon_pid == pid


def test_continue_wakes_no_old_failure_while_another_run_is_in_progress(running: House) -> None:
    (running.root / "Data").mkdir()
    (running.root / "Data" / "ETH-USDT_5m.parquet").write_bytes(b"PAR1")
    running.run("train", "--symbol", "ETH/USDT", "--bucket", "Long", code=1)
    running.configure(BUFFER_SIZE=20_000)
    running.run(*SAMPLE, "--bucket", "Scalping", "--episodes", "90", "--detach")
    assert "nothing to continue" in running.run("continue", code=1)
    running.run("stop")
    assert "SAMPLE/USDT 5m (synthetic)" in running.run("status")


def test_restart_keeps_the_configuration(house: House) -> None:
    named = ("--config", str(house.config_file))
    house.unset_config = True
    house.run(*named, "daemon", "start")
    house.run("daemon", "restart")
    assert house.json("daemon", "status")["config_file"] == str(house.config_file)
