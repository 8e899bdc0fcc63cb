"""Memory that runs out in a worker process, seen through the real command line."""

import json
import os
from pathlib import Path

import pytest

from tests.conftest import House

FAULTS = '''
"""Makes torch raise in the worker that asks for features."""
import json
import os
import sys

from btc_ai.api import hookimpl


@hookimpl
def btc_ai_features(registry):
    from tests.learning.memory.faults import Faults

    plan = json.loads(os.environ["TEST_FAULTS"])
    Faults(plan["point"], plan["times"]).__enter__()


plugin = sys.modules[__name__]
'''


def install(folder: Path) -> None:
    """Install the plugin into a folder that goes onto the path of every process."""
    package, info = folder / "test_faults", folder / "test_faults-1.0.dist-info"
    package.mkdir(parents=True)
    info.mkdir()
    (package / "__init__.py").write_text(FAULTS)
    manifest = {"name": "faults", "version": "1.0", "api": ">=1,<2", "description": "Faults"}
    (package / "btc_ai_plugin.json").write_text(json.dumps({**manifest, "features": ["none"]}))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: test_faults\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[btc_ai.plugins]\nfaults = test_faults:plugin\n")


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "site")
    root = Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "site"), str(root)]))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


RUN = ("train", "--market", "sample", "--bucket", "Scalping", "--episodes", "3")


@pytest.mark.slow
def test_the_rungs_taken_are_shown_and_the_weights_stay_the_same(
    house: House, faulty: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.configure(BATCH_SIZE=64)
    monkeypatch.setenv("TEST_FAULTS", json.dumps({"point": "step", "times": 0}))
    house.run(*RUN, "--seed", "3")
    whole = house.weights()
    house.run("daemon", "stop")
    monkeypatch.setenv("TEST_FAULTS", json.dumps({"point": "step", "times": 2}))
    text = house.run(*RUN, "--seed", "3")
    assert "frees the cache and tries again (rung 1 of 7, episode 1, update)" in text
    assert "accumulates gradients, a chunk of windows at a time (rung 3 of 7" in text
    assert house.weights() == whole
    (step,) = house.json("show")["steps"]
    rungs = [note["rung"] for note in step["memory"] if note["what"] == "rung"]
    assert rungs == [1, 3]
    assert not step["degraded"]
    assert step["outcome"]["memory"] == [n for n in step["memory"] if n["what"] == "rung"]
    assert "rung 3 of 7" in house.run("show")
    log = "".join(path.read_text() for path in (house.root / "Logs").rglob("*.log"))
    assert "rung 3, accumulates gradients" in log


@pytest.mark.slow
def test_when_nothing_helps_the_run_fails_with_advice_and_goes_on_later(
    house: House, faulty: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_FAULTS", json.dumps({"point": "backward", "times": 3}))
    text = house.run(*RUN, code=1)
    assert "ran out of memory (update, episode 1)" in text
    assert "degraded: for want of memory" in house.run("show")
    house.run("daemon", "stop")
    monkeypatch.setenv("TEST_FAULTS", json.dumps({"point": "backward", "times": 0}))
    assert "done" in house.run("train", "--resume")
    (step,) = house.json("show")["steps"]
    assert step["degraded"]
    assert step["outcome"]["degraded"]


@pytest.mark.slow
@pytest.mark.soak
def test_that_there_is_no_gpu_is_said_once_a_run(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    house.configure(USE_GPU=True)
    sample = ("train", "--market", "sample", "--episodes", "1")
    text = house.run(*sample, "--sequence", "Scalping", "Short")
    assert text.count("there is no CUDA device; trains on the CPU") == 1
    house.configure(USE_GPU=False)
    text = house.run(*sample, "--bucket", "Short")
    assert "CUDA" not in text
