"""`btc-ai doctor`, and what `train` warns of: each fault is made for real."""

import fcntl
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from btc_ai.api.advice import find_gpus, training_advice
from btc_ai.bus.client import daemon_listens
from btc_ai.cli.context import Globals
from btc_ai.cli.doctor import machine, running
from btc_ai.cli.doctor.checks import CHECKS, examine
from btc_ai.cli.doctor.findings import Check, Finding, Look
from btc_ai.config import default_config
from btc_ai.paths import command_socket, event_socket
from tests.conftest import House

WORLD: dict[str, Any] = {"PROGRESSIVE_TRAINING": {"EPISODES_PER_BUCKET": 60}}


@pytest.fixture
def look(house: House, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Look]:
    """What the checks look at, in this process, as a new invocation in the house would."""
    house.configure(**WORLD)
    for name, value in house.environment.items():
        monkeypatch.setenv(name, value)
    return lambda: Look(Globals())


def found(look: Look, name: str) -> list[Finding]:
    (check,) = (one for one in CHECKS if one.name == name)
    return list(check.work(look))


def levels(look: Look, name: str) -> list[str]:
    return [one.level for one in found(look, name)]


def test_all_is_well_and_every_finding_says_what_to_do(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    house.configure(**WORLD, SYMBOL="SAMPLE/USDT")
    house.run("data", "sample", "--bars", "20000")
    text = house.run("doctor")
    assert " 0 warnings" in text or "wrong, " in text
    assert "wrong   " not in text
    house.run("daemon", "start")
    findings = house.json("doctor")
    assert {one["check"] for one in findings} == {check.name for check in CHECKS}
    assert all(bool(one["todo"]) is (one["level"] != "ok") for one in findings)
    assert [one["level"] for one in findings if one["check"] == "daemon"] == ["ok"]
    assert "\n" not in house.run("--quiet", "doctor").strip()


def test_a_broken_configuration_is_found_and_the_rest_is_still_checked(house: House) -> None:
    house.config_file.write_text('{"GAMA": 1}')
    text = house.run("doctor", code=1)
    assert "GAMA: unknown key (did you mean 'GAMMA'?)" in text
    assert "not checked: episodes, sequence, candles" in text
    assert "ok       python" in text


def test_a_check_that_fails_is_a_finding(
    look: Callable[[], Look], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(look: Look) -> Iterator[Finding]:
        raise KeyError("a bug")
        yield

    monkeypatch.setattr("btc_ai.cli.doctor.checks.CHECKS", (Check("bad", fail),))
    (finding,) = examine(look())
    assert (finding.check, finding.level) == ("bad", "warning")
    assert "cannot be checked: KeyError" in finding.what


def test_few_episodes_and_buckets_out_of_order(house: House, look: Callable[[], Look]) -> None:
    house.configure(PROGRESSIVE_TRAINING={"SEQUENCE": ["Long", "Scalping"]})
    assert levels(look(), "episodes") == ["warning"]
    (order,) = found(look(), "sequence")
    assert order.level == "warning" and "the guide advises Scalping Long" in order.what
    buckets = {
        "A": {"MIN_HORIZON": 1, "MAX_HORIZON": 9, "FEATURES": ["price"]},
        "B": {"MIN_HORIZON": 2, "MAX_HORIZON": 18, "FEATURES": ["volume", "rsi"]},
    }
    house.configure(BUCKET_CONFIGS=buckets, PROGRESSIVE_TRAINING={})
    assert "B shares 0 of its 2 features with A" in found(look(), "sequence")[0].what


def test_candles_that_are_missing_damaged_or_too_few(
    house: House, look: Callable[[], Look]
) -> None:
    assert levels(look(), "candles") == ["warning"]
    house.configure(SYMBOL="SAMPLE/USDT")
    house.run("data", "sample", "--bars", "2000")
    findings = found(look(), "candles")
    assert any("2,000 candles are too few for Long, which needs" in one.what for one in findings)
    path = house.root / "Data/SAMPLE-USDT_5m.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    assert levels(look(), "candles") == ["wrong"]


AS_NOBODY = """
import os, random, sys, tempfile
from pathlib import Path
from btc_ai.cli.context import Globals
from btc_ai.cli.doctor import folders
from btc_ai.cli.doctor.findings import Look
look = Look(Globals())
assert not look.config_error
if sys.argv[1:]:
    folders.SYSTEM_CONFIG = look.here.config_file
if os.geteuid() == 0:  # root can write everywhere
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
for one in folders.permissions(look):
    print(one.level, one.what)
"""


def test_folders_and_files_that_this_user_cannot_write(house: House) -> None:
    house.runtime.chmod(0o755)
    models, logs = house.runtime / "Models", house.runtime / "Logs"
    models.mkdir()
    models.chmod(0o777)
    (models / "journal.sqlite3").touch(mode=0o400)
    logs.mkdir(mode=0o555)
    folders = {"MODELS_DIR": models, "LOG_DIR": logs, "DATA_DIR": logs / "Data"}
    house.configure(KEYS_DIR="/tmp", **{name: str(folder) for name, folder in folders.items()})

    def as_nobody(*arguments: str) -> list[str]:
        return subprocess.run(
            [sys.executable, "-c", AS_NOBODY, *arguments], env=house.environment,
            capture_output=True, text=True, check=True,
        ).stdout.splitlines()  # fmt: skip

    assert as_nobody() == [
        "wrong journal.sqlite3 in MODELS_DIR cannot be written",
        "wrong DATA_DIR cannot be made: Permission denied",
        "wrong LOG_DIR cannot be written: Permission denied",
        "ok KEYS_DIR can be written",
        "wrong BACKUPS_DIR cannot be made: Permission denied",
    ]
    if os.geteuid() == 0:  # else what this user made is nobody else's
        models.chmod(0o755)
        assert as_nobody("as one of the service's group") == [
            "ok MODELS_DIR is the service's to write",
            "wrong DATA_DIR cannot be made: Permission denied",
            "ok LOG_DIR is the service's to write",
            "ok KEYS_DIR can be written",
            "ok BACKUPS_DIR is the service's to write",
        ]


def test_keys_that_others_can_read(house: House, look: Callable[[], Look]) -> None:
    keys = house.root / "Keys"
    keys.mkdir(mode=0o700)
    (keys / "server.key").touch(mode=0o600)
    assert levels(look(), "keys") == ["ok"]
    (keys / "server.key").chmod(0o644)
    assert levels(look(), "keys") == ["wrong"]


def test_a_runtime_folder_that_others_can_write(house: House, look: Callable[[], Look]) -> None:
    assert levels(look(), "runtime") == ["ok"]
    house.runtime.chmod(0o770)
    assert levels(look(), "runtime") == ["wrong"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    options = "size=4m,nr_inodes=50000"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.decode()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_is_nearly_full(
    house: House, look: Callable[[], Look], small_disk: Path
) -> None:
    house.configure(MODELS_DIR=str(small_disk / "Models"))
    first, second = found(look(), "disk")
    assert first.level == "wrong" and "GB and" in first.what
    assert second.what.endswith("on the disk of DATA_DIR")


def test_sockets_of_a_killed_daemon_and_a_lock_that_is_held(
    house: House, look: Callable[[], Look]
) -> None:
    assert levels(look(), "leftovers") == ["ok"]
    house.run("daemon", "start")
    assert levels(look(), "leftovers") == ["ok"]
    pid = house.daemon_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    house.wait_for(lambda: not daemon_listens(house.runtime))  # its threads end one by one
    house.wait_for(lambda: levels(look(), "leftovers") == ["warning"] * 2)
    assert command_socket(house.runtime).exists() and event_socket(house.runtime).exists()
    with (house.runtime / "daemon.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (held,) = found(look(), "leftovers")
    assert held.level == "wrong" and f"process {os.getpid()} holds" in held.what


def test_a_file_from_the_future_and_a_clock_in_the_past(
    house: House, look: Callable[[], Look], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert levels(look(), "clock") == ["ok"]
    (house.root / "Models").mkdir()
    ledger = house.root / "Models/trials.jsonl"
    ledger.touch()
    os.utime(ledger, (time.time() + 5000,) * 2)
    (late,) = found(look(), "clock")
    assert late.level == "warning" and "in the future" in late.what
    monkeypatch.setattr("btc_ai.cli.doctor.machine.time.time", lambda: 1e9)
    assert levels(look(), "clock") == ["wrong"]


def test_files_that_vanish_are_left_out(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).touch()
    stamps = machine._stamps([tmp_path])
    _, first = next(stamps)
    for path in tmp_path.iterdir():
        path.unlink()
    assert list(stamps) == [] and first.parent == tmp_path


def test_a_port_that_is_taken(house: House, look: Callable[[], Look]) -> None:
    with socket.socket() as taken, socket.socket() as other:
        for one in (taken, other):
            one.bind(("127.0.0.1", 0))
        taken.listen()
        ports = {"COMMAND_PORT": taken.getsockname()[1], "EVENT_PORT": other.getsockname()[1]}
        other.close()
        assert levels(look(), "ports") == ["ok"]
        house.configure(REMOTE={"ENABLED": True, **ports})
        assert levels(look(), "ports") == ["wrong", "ok"]
    house.configure(REMOTE={"ENABLED": True, "ADDRESS": "203.0.113.1"})
    assert levels(look(), "ports") == ["wrong", "wrong"]


def test_whose_the_ports_are_while_a_daemon_runs(house: House, look: Callable[[], Look]) -> None:
    house.run("daemon", "start")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        house.configure(REMOTE={"ENABLED": True, "COMMAND_PORT": taken.getsockname()[1]})
        command, _ = found(look(), "ports")
        assert command.level == "wrong", "it is not the daemon's"
    command, _ = found(look(), "ports")
    assert command.level == "warning" and "does not listen there" in command.what
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        house.configure(REMOTE={"ENABLED": True, "COMMAND_PORT": listening.getsockname()[1]})
        ours = look()
        assert ours.daemon is not None
        ours.daemon["pid"] = os.getpid()
        assert "is the daemon’s" in found(ours, "ports")[0].what


def _fake_nvml(folder: Path, total: float, free: float) -> None:
    """NVML as a card of so many GB would have it: it cannot be had here."""
    (folder / "pynvml.py").write_text(
        "from types import SimpleNamespace\n"
        "nvmlInit = lambda: None\nnvmlDeviceGetCount = lambda: 1\n"
        "nvmlDeviceGetHandleByIndex = lambda one: one\nnvmlDeviceGetName = lambda one: 'Card'\n"
        f"nvmlDeviceGetMemoryInfo = lambda one: SimpleNamespace(total={total * 1e9}, "
        f"free={free * 1e9})\n"
    )


@pytest.mark.parametrize(
    ("total", "free", "level"), [(24, 23, "ok"), (4, 4, "warning"), (24, 2, "warning")]
)
def test_a_gpu_and_its_memory(
    look: Callable[[], Look], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    total: float, free: float, level: str,
) -> None:  # fmt: skip
    site = tmp_path / "site"
    site.mkdir()
    (site / "nvidiactl").touch()
    _fake_nvml(site, total, free)
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("btc_ai.api.advice.find_gpus.__defaults__", (site,))
    assert levels(look(), "gpu") == [level]
    warned = training_advice(default_config(), ["Scalping", "Short"], 50)
    assert bool(warned) is (total < 6)


def test_without_a_gpu_the_cpu_trains(
    house: House, look: Callable[[], Look], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_gpus(tmp_path) == []
    monkeypatch.setattr("btc_ai.api.advice.find_gpus.__defaults__", (tmp_path,))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert "no GPU that NVML knows" in found(look(), "gpu")[0].what
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "hides every GPU" in found(look(), "gpu")[0].what
    house.configure(USE_GPU=False)
    assert "USE_GPU is false" in found(look(), "gpu")[0].what


def test_thread_settings(look: Callable[[], Look], monkeypatch: pytest.MonkeyPatch) -> None:
    for value, level in (("1", "ok"), ("4096", "warning"), ("many", "warning")):
        monkeypatch.setenv("OMP_NUM_THREADS", value)
        assert levels(look(), "threads") == [level]


def test_limits_on_open_files(look: Callable[[], Look]) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        for soft, level in ((200, "wrong"), (512, "warning"), (1024, "ok")):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
            assert levels(look(), "limits") == [level]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_worker_that_is_granted_too_little(house: House, look: Callable[[], Look]) -> None:
    assert levels(look(), "worker memory") == ["ok"]
    house.configure(SUPERVISION={"WORKER_MEMORY_MB": 300})
    assert levels(look(), "worker memory") == ["warning"]
    assert levels(look(), "memory") == ["warning"]


def test_a_daemon_with_another_configuration(house: House, look: Callable[[], Look]) -> None:
    house.run("daemon", "start")
    assert levels(look(), "daemon") == ["ok"]
    other = Look(Globals(config_option=house.root / "other.json"))
    (finding,) = running.daemon(other)
    assert finding.level == "warning" and "the daemon runs with" in finding.what
    aged = look()
    assert aged.daemon is not None
    aged.daemon["version"] = "0.0.1"
    assert "the daemon is of version 0.0.1" in found(aged, "daemon")[0].what


def test_errors_of_late(house: House, look: Callable[[], Look]) -> None:
    log = house.root / "Logs/error.log"
    log.parent.mkdir()
    now, then = (
        time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() - ago)) for ago in (60, 1e6)
    )
    log.write_text(f"{then},001 - btc_ai.x - ERROR - long ago\n  traceback\n")
    assert levels(look(), "errors") == ["ok"]
    with log.open("a") as file:
        file.write(f"{now},001 - btc_ai.x - ERROR - just now\n  2026 traceback\n")
    (finding,) = found(look(), "errors")
    assert finding.what.startswith("1 errors in the last 24 hours") and "just now" in finding.what
    house.configure(LOGGING={"LOG_FORMAT": "%(levelname)s %(message)s"})
    (finding,) = found(look(), "errors")
    assert finding.level == "warning" and finding.what.startswith("cannot tell")


def test_a_plugin_that_cannot_be_used(
    look: Callable[[], Look], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "site/broken-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[btc_ai.plugins]\nbroken = no_such_module\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    (finding,) = found(look(), "plugins")
    assert finding.level == "wrong" and "there is no package no_such_module" in finding.what


def test_packages_of_the_wrong_version_or_missing(
    look: Callable[[], Look], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert levels(look(), "dependencies") == ["ok"]
    info = tmp_path / "site/btc_ai-9.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: btc-ai\nVersion: 9\nRequires-Python: >=4\n"
        "Requires-Dist: typer<0.1\nRequires-Dist: no-such-package\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert levels(look(), "dependencies") == ["wrong", "wrong"]
    assert levels(look(), "python") == ["wrong"]


def test_the_command_is_missing_or_another(
    look: Callable[[], Look], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "is not on PATH" in found(look(), "command")[0].what
    (tmp_path / "btc-ai").write_text("#!/bin/sh\n")
    (tmp_path / "btc-ai").chmod(0o755)
    assert "another btc-ai is on PATH" in found(look(), "command")[0].what


def test_train_warns_once_and_goes_on(house: House) -> None:
    house.run("data", "sample", "--bars", "20000")
    house.configure(SUPERVISION={"WORKER_MEMORY_MB": 1000}, USE_GPU=False)
    start = ("train", "--market", "sample", "--sequence", "Short", "Scalping", "--detach")
    with house.popen(*start) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "warning" not in out
    warnings = [line for line in err.splitlines() if line.startswith("btc-ai: warning: ")]
    assert [line.split()[2] for line in warnings] == ["6", "the", "1000"], err
    assert "the guide advises Scalping Short" in err
    for arguments in (("--quiet", *start), (*start, "--json")):
        with house.popen(*arguments) as process:
            out, err = process.communicate(timeout=60)
        assert process.returncode == 0 and "warning:" not in err
    assert len(json.loads(out)["warnings"]) == 3
    enough = ("--sequence", "Scalping", "Short", "--episodes", "50", "--detach")
    house.configure(SUPERVISION={})
    assert "warning:" not in house.run("train", "--market", "sample", *enough)
    for run in house.json("runs"):
        house.run("stop", run["run"])
