"""The gate by itself, and through the command line, the daemon and the worker."""

import dataclasses
import importlib
import json
import logging
import os
from pathlib import Path

import numpy as np
import pytest

from btc_ai.errors import DataError, TrainingError
from btc_ai.learning.audit.gate import PASSED, require_sound_features
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.candles import Candles
from btc_ai.market.features import FeatureRegistry, builtin_features
from tests.api.conftest import Site, site  # noqa: F401  # a fixture of these tests too
from tests.conftest import House
from tests.learning.audit.conftest import chikou, leaking_registry

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def added(small: TrainingSettings) -> TrainingSettings:
    return dataclasses.replace(small, features=("price", "planted"))


class Counted:
    """A sound feature that knows how often it was called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, candles: Candles) -> dict[str, object]:
        self.calls += 1
        return {"spread": np.log(candles.high / candles.low)}


def counted() -> tuple[Counted, FeatureRegistry]:
    feature = Counted()
    registry = builtin_features()
    registry.register("planted", feature, lookback=0)  # type: ignore[arg-type]
    return feature, registry


def test_a_leak_is_refused_with_the_feature_named(
    walk: Candles, added: TrainingSettings, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"Small is not trained.*'planted', column 'span'.*26 bars"):
        require_sound_features(walk, leaking_registry(planted=chikou), added, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_pass_is_logged_and_kept_once(
    walk: Candles, added: TrainingSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    feature, registry = counted()
    directory = tmp_path / "Small" / "run"
    with caplog.at_level(logging.INFO):
        require_sound_features(walk, registry, added, directory)
        calls = feature.calls
        require_sound_features(walk, registry, added, directory)
    assert calls > 10 and feature.calls == calls
    assert [one.message for one in caplog.records] == [
        "Small: no leak found in planted on TEST/USDT"
    ]
    assert json.loads((directory / PASSED).read_text())["report"]["passed"]


def test_other_candles_other_features_and_a_torn_record_are_audited_again(
    walk: Candles, added: TrainingSettings, tmp_path: Path
) -> None:
    feature, registry = counted()

    def audited(candles: Candles, settings: TrainingSettings) -> bool:
        before = feature.calls
        require_sound_features(candles, registry, settings, tmp_path)
        return feature.calls > before

    assert audited(walk, added)
    assert audited(walk.take(slice(1, None)), added)
    assert audited(walk.take(slice(1, None)), dataclasses.replace(added, features=("planted",)))
    for torn in ("", "{", "[]", "{}"):
        (tmp_path / PASSED).write_text(torn)
        assert audited(walk, added)
    assert not audited(walk, added)


def test_changed_code_is_audited_again(
    walk: Candles,
    added: TrainingSettings,
    tmp_path: Path,
    site: Site,  # noqa: F811
) -> None:
    package = site.install("tides", FEATURES.format(expression=SOUND))
    registry = FeatureRegistry()
    importlib.import_module(package).btc_ai_features(registry)
    tidal = dataclasses.replace(added, features=("tide",))
    require_sound_features(walk, registry, tidal, tmp_path)
    kept = (tmp_path / PASSED).read_bytes()
    with (site.folder / package / "__init__.py").open("a") as file:
        file.write("# another version")
    require_sound_features(walk, registry, tidal, tmp_path)
    assert (tmp_path / PASSED).read_bytes() != kept


def test_built_in_features_are_not_audited(
    walk: Candles, small: TrainingSettings, tmp_path: Path
) -> None:
    require_sound_features(walk, FeatureRegistry(), small, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_directory_is_named(
    walk: Candles, added: TrainingSettings, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match="cannot write"):
        require_sound_features(walk, counted()[1], added, tmp_path / "file")


FEATURES = """
import sys
import numpy as np
from btc_ai.api import hookimpl

def tide(candles):
    return {{"tide": {expression}}}

@hookimpl
def btc_ai_features(registry):
    registry.register("tide", tide, lookback=24)

plugin = sys.modules[__name__]
"""
SOUND = "np.append(np.zeros(24), np.log(candles.close[24:] / candles.close[:-24]))"
LEAKING = "np.log(np.append(candles.close[3:], [candles.close[-1]] * 3) / candles.close)"


@pytest.fixture
def tidal(house: House, site: Site, monkeypatch: pytest.MonkeyPatch) -> House:  # noqa: F811
    """A house whose only bucket uses a plugin's feature; the plugin is still to be installed."""
    paths = [str(site.folder), str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    section = {"MIN_HORIZON": 6, "MAX_HORIZON": 48, "FEATURES": ["price", "tide"]}
    progressive = {"EPISODES_PER_BUCKET": 12, "PAUSE_BETWEEN_BUCKETS": 0}
    house.configure(
        BUCKET_CONFIGS={"Tidal": section}, PROGRESSIVE_TRAINING=progressive, BUFFER_SIZE=20_000
    )
    return house


def install(site: Site, expression: str) -> Path:  # noqa: F811
    code = FEATURES.format(expression=expression)
    return site.folder / site.install("tides", code, manifest={"features": ["tide"]})


TRAIN = ("train", "--market", "sample", "--bucket", "Tidal")


@pytest.mark.slow
def test_a_plugins_leaking_feature_is_not_trained_with(tidal: House, site: Site) -> None:  # noqa: F811
    package = install(site, LEAKING)
    said = " ".join(tidal.run(*TRAIN, code=1).split())
    assert "Tidal is not trained, it would learn from a leak" in said
    assert "feature 'tide', column 'tide'" in said and "reads 3 bars ahead" in said
    shown = tidal.json("show")
    assert shown["state"] == "failed"
    assert not list(tidal.root.rglob("model.json")) and not list(tidal.root.rglob("metrics.jsonl"))
    tidal.run("daemon", "stop")
    (package / "__init__.py").write_text(FEATURES.format(expression=SOUND))
    tidal.run("train", "--resume")
    assert tidal.json("show")["state"] == "done"


@pytest.mark.slow
def test_a_plugins_sound_feature_is_audited_once_a_run(tidal: House, site: Site) -> None:  # noqa: F811
    install(site, SOUND)
    tidal.run(*TRAIN, "--episodes", "60", "--detach")
    tidal.wait_for(lambda: tidal.episode() >= 2)
    tidal.run("stop")
    tidal.run("train", "--resume")
    shown = tidal.json("show")
    assert shown["state"] == "done"
    log = "".join(path.read_text() for path in tidal.root.rglob("btc_ai.log"))
    assert log.count("Tidal: no leak found in tide on SAMPLE/USDT") == 1
    (record,) = tidal.root.rglob(PASSED)
    assert record.parent == Path(shown["steps"][0]["outcome"]["model"])
