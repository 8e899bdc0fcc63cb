"""What must start fast loads little, and uses little."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import House

HEAVY = ("torch", "pandas", "numpy", "pyarrow", "talib", "ccxt", "psutil", "pynvml")


def _loaded(house: House, *arguments: str) -> set[str]:
    """The modules that a command has loaded when it ends."""
    script = (
        "import sys\nfrom btc_ai.cli.app import main\n"
        f"sys.argv = ['btc-ai', *{list(arguments)!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "sys.stderr.write('LOADED ' + ' '.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=house.environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(done.stderr.rpartition("LOADED ")[2].split())


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("status",), ("runs",), ("config", "show"), ("report", "no such run")],
)
def test_the_command_line_loads_nothing_heavy(house: House, arguments: tuple[str, ...]) -> None:
    house.run("daemon", "start")
    assert not _loaded(house, *arguments) & set(HEAVY)


def test_status_loads_neither_configuration_nor_rich(house: House) -> None:
    house.run("daemon", "start")
    assert not _loaded(house, "status") & {"btc_ai.config", "rich", "structlog", "asyncio"}


def test_the_daemon_loads_neither_torch_nor_pandas(house: House) -> None:
    house.run("daemon", "start")
    maps = Path(f"/proc/{house.daemon_pid}/maps").read_text()
    for name in HEAVY:
        assert f"/{name}/" not in maps, f"the daemon has loaded {name}"


def test_the_daemon_is_small_and_idle(house: House) -> None:
    house.run("daemon", "start")
    status = house.json("daemon", "status")
    assert status["memory_mb"] < 80
    before = _cpu_ticks(house)
    time.sleep(2)
    assert _cpu_ticks(house) - before <= 4  # 1 % of 2 s is 2 ticks; /proc counts in whole ones


def _cpu_ticks(house: House) -> int:
    fields = Path(f"/proc/{house.daemon_pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
