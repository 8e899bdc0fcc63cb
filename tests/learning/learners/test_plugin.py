"""Learners of plugins: the one in the plugin guide, trained for real, and broken ones."""

import dataclasses
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from btc_ai.api.settings import require_learner
from btc_ai.errors import BtcAiError, PluginError, UsageError
from btc_ai.learning.learners.registry import added_learner
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.candles import Candles
from tests.api.conftest import Site, site  # noqa: F401
from tests.conftest import House
from tests.learning.learners.conftest import MakeLearner
from tests.learning.test_bucket import FailingDisk, KilledError, same, train

ROOT = Path(__file__).parents[3]
GUIDE = next(
    block
    for block in re.findall(
        r"```python\n(.*?)```", (ROOT / "docs/plugins.md").read_text(), re.DOTALL
    )
    if "btc_ai_learners" in block
)
NAMES = ["myopic", "brief"]


def install(site: Site, code: str, names: list[str], name: str = "school") -> str:  # noqa: F811
    package = f"plugin_{name}"
    return site.install(name, code, manifest={"learners": names}, entry=package)


@pytest.fixture
def school(site: Site) -> Site:  # noqa: F811
    """The plugin of the guide, installed."""
    install(site, GUIDE, NAMES)
    return site


@pytest.fixture
def quick(small: TrainingSettings) -> TrainingSettings:
    size = 2 * small.window * small.batch_size
    return dataclasses.replace(small, episodes=4, buffer_size=size)


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_run_of_a_plugins_learner_ends_as_if_undisturbed(
    school: Site, walk: Candles, quick: TrainingSettings, tmp_path: Path, name: str
) -> None:
    settings = dataclasses.replace(quick, learner=name)
    whole = train(walk, settings, tmp_path / "whole")
    with pytest.raises(KilledError):
        disk = FailingDisk(5, KilledError())
        train(walk, settings, tmp_path / "killed", checkpoint_seconds=0, write=disk)
    assert same(train(walk, settings, tmp_path / "killed"), whole)
    cfq = train(walk, quick, tmp_path / "cfq")
    assert cfq.weights_sha256 != whole.weights_sha256


ONCE = """
from btc_ai.api import hookimpl

calls = []

@hookimpl
def btc_ai_learners(registry):
    cfq = registry.get("cfq")

    def hungry(environment, network, settings, **others):
        learner = cfq(environment, network, settings, **others)
        update = learner.update

        def watched():
            calls.append(settings.batch_size)
            if len(calls) == 3:
                raise MemoryError("planted")
            return update()

        learner.update = watched
        return learner

    registry.register("hungry", hungry)
"""


def test_one_that_runs_out_of_memory_goes_on_by_the_ladder(
    site: Site,  # noqa: F811
    walk: Candles,
    quick: TrainingSettings,
    tmp_path: Path,
) -> None:
    install(site, ONCE, ["hungry"])
    notes: list[Any] = []
    hungry = dataclasses.replace(quick, learner="hungry")
    trained = train(walk, hungry, tmp_path / "hungry", on_memory=notes.append)
    assert trained.weights_sha256 == train(walk, quick, tmp_path / "cfq").weights_sha256
    assert notes


WRONG = """
import copy
import torch
from btc_ai.api import hookimpl
from btc_ai.api.learner import Update
{top}

class Wrong:
    def __init__(self, environment, network, settings, *, generator, guidance):
        self.policy, self.network = {policy}, network

    def update(self):
        bars = torch.zeros(2, 3, dtype=torch.int64)
        return Update(torch.tensor(0.0), bars, bars)

    def state_dict(self):
        return {state}

@hookimpl
def btc_ai_learners(registry):
    registry.register("{name}", Wrong)
"""
SOUND = {"top": "", "policy": "copy.deepcopy(network)", "state": "{}", "name": "wrong"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"top": "import nothing_of_that_name"}, "school cannot be used: ModuleNotFoundError"),
        ({"top": "1 / 0"}, r"school cannot be used: ZeroDivisionError: .* \(__init__.py, line 6\)"),
        ({"top": "raise SystemExit(3)"}, "school cannot be used: SystemExit: 3"),
        ({"top": "("}, "school cannot be used: SyntaxError"),
        ({"name": "cfq"}, "school cannot be used: learner 'cfq' is registered already"),
        ({"name": "other"}, "'wrong' is not registered by the plugin that declares it"),
        ({"policy": "network.trunk"}, "its policy must be the network that it was given"),
        ({"state": "{'count': 1}"}, "'count' in its state is a int, not a tensor"),
        ({"state": "{'best.x': torch.zeros(1)}"}, "call 'best.x' in its state by another name"),
    ],
)
def test_one_that_breaks_its_contract_is_refused_in_words(
    site: Site,  # noqa: F811
    make: MakeLearner,
    change: dict[str, str],
    says: str,
) -> None:
    install(site, WRONG.format(**{**SOUND, **change}), ["wrong"])
    with pytest.raises(PluginError, match=says):
        make(learner="wrong")


def test_an_update_of_another_shape_is_refused(site: Site, make: MakeLearner) -> None:  # noqa: F811
    install(site, WRONG.format(**SOUND), ["wrong"])
    with pytest.raises(PluginError, match=r"bars \[2, 3\] and a table \[2, 3\]"):
        make(learner="wrong").update()


def test_a_name_that_no_usable_plugin_adds_is_explained(school: Site, make: MakeLearner) -> None:
    school.install("old", manifest={"learners": ["fossil"], "api": "<1"})
    require_learner("brief")
    with pytest.raises(UsageError, match=r"'brie' is not .* \(did you mean 'brief'\?\); known are"):
        require_learner("brie")
    with pytest.raises(UsageError, match="fossil is of the plugin old, which cannot be used"):
        require_learner("fossil")
    for name in ("fossil", "nobody"):
        with pytest.raises(BtcAiError, match=name):
            make(learner=name)


def test_a_study_notices_another_version_of_a_plugins_learner(school: Site) -> None:
    assert added_learner("cfq") == {}
    before = added_learner("brief")
    with (school.folder / "plugin_school/__init__.py").open("a") as file:
        file.write("# another version")
    assert before.keys() == added_learner("brief").keys() and before != added_learner("brief")


@pytest.fixture
def taught(house: House, school: Site, monkeypatch: pytest.MonkeyPatch) -> House:
    """A house with two small buckets and the guide's plugin."""
    paths = [str(school.folder), str(ROOT), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    section = {"MIN_HORIZON": 6, "MAX_HORIZON": 48, "FEATURES": ["price"]}
    house.configure(BUCKET_CONFIGS={"One": section, "Two": section})
    return house


PACE = """
import time
from pathlib import Path

HELD = Path(__file__).with_name("held")
quick = Myopic.update

def paced(self):
    if HELD.exists():
        time.sleep(1)
    return quick(self)

Myopic.update = paced
"""
"""Slow while a file is there, so that a run is sure to be stopped before its end."""


def _uninstall(school: Site) -> None:
    for folder in school.folder.glob("plugin_school*"):
        shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.timeout(600)  # a dozen commands, each a process
def test_from_the_command_line_with_the_plugin_and_without(taught: House, school: Site) -> None:
    module = school.folder / "plugin_school/__init__.py"
    module.write_text(GUIDE + PACE)
    module.with_name("held").touch()
    start = ("train", "--market", "sample", "--bucket", "One", "--learner")
    assert "did you mean 'myopic'" in taught.run(*start, "myopia", code=2)
    taught.run(*start, "myopic", "--episodes", "60", "--detach")
    taught.wait_for(lambda: taught.episode() >= 2)
    taught.run("stop")
    module.with_name("held").unlink()
    taught.run("train", "--resume")
    shown = taught.json("show")
    assert (shown["state"], shown["steps"][0]["learner"]) == ("done", "myopic")
    taught.configure(LEARNER="brief")
    taught.run("transfer", "--from", "One", "--to", "Two", "--episodes", "2")
    (step,) = taught.json("show")["steps"]
    assert step["learner"] == "brief" and step["transfer"]["kinds"]
    _uninstall(school)
    said = taught.run("config", "check", code=1)
    assert 'LEARNER: "brief" is no learner; known are cfq, pqn, dqn' in " ".join(said.split())
    taught.configure(LEARNER="cfq")
    said = taught.run("train", "--resume", "--bucket", "One", code=2)
    assert "'myopic' is not among the learners" in " ".join(said.split())
    assert taught.json("evaluate", "--bucket", "One")
    assert taught.json("predict", "--bucket", "One")
