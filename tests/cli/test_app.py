"""The root of the command line."""

import os
import subprocess
import sys

import pytest

from btc_ai import __version__
from btc_ai.cli.app import join_sequence
from tests.conftest import House


@pytest.mark.parametrize(
    ("given", "joined"),
    [
        ("train --sequence A B C", "train --sequence=A,B,C"),
        ("train --sequence A B --episodes 3", "train --sequence=A,B --episodes 3"),
        ("train --episodes 3 --sequence A,B", "train --episodes 3 --sequence=A,B"),
        ("train --sequence --json", "train --sequence= --json"),
        ("train --sequence=A,B --json", "train --sequence=A,B --json"),
        ("status", "status"),
    ],
)
def test_join_sequence(given: str, joined: str) -> None:
    assert join_sequence(given.split()) == joined.split()


def test_version(house: House) -> None:
    assert house.run("--version") == f"btc-ai {__version__}\n"


def test_unknown_command(house: House) -> None:
    assert "trian" in house.run("trian", code=2)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(house: House, shell: str) -> None:
    words = {
        "bash": {"COMP_WORDS": "btc-ai tra", "COMP_CWORD": "1"},
        "zsh": {"_TYPER_COMPLETE_ARGS": "btc-ai tra"},
        "fish": {
            "_TYPER_COMPLETE_ARGS": "btc-ai tra",
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        },
    }[shell]
    done = subprocess.run(
        [sys.executable, "-m", "btc_ai.cli.app"],
        env=os.environ | {"_BTC_AI_COMPLETE": f"complete_{shell}", **words},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "train" in done.stdout
    assert "status" not in done.stdout


def test_config_commands(house: House) -> None:
    assert "valid" in house.run("config", "check")
    assert house.json("config", "show")["config"]["BUFFER_SIZE"] == 2048
    target = house.root / "new" / "btc_ai.json"
    house.run("config", "init", str(target))
    assert "is there already" in house.run("config", "init", str(target), code=1)
    assert "valid" in house.run("config", "check", str(target))
    assert '"BUCKET_CONFIGS"' in house.run("config", "schema")
