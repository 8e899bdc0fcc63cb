import sys
from typing import Any

import pytest

from btc_ai.api.discovery import (
    RESERVED,
    added,
    discover,
    known_features,
    known_learners,
    known_names,
    unknown,
)
from btc_ai.config import BUILTIN_FEATURES
from btc_ai.names import BUILTIN_LEARNERS
from tests.api.conftest import Site


def problem(name: str) -> str | None:
    return next(one.problem for one in discover() if one.entry_point.name == name)


def test_bundled_plugins_come_through_the_same_door() -> None:
    found = {one.entry_point.name: one for one in discover()}
    for name in ("training", "transfer"):
        assert found[name].problem is None
        manifest = found[name].manifest
        assert manifest is not None and manifest.name == name


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        (False, "has no btc_ai_plugin.json"),
        ("", "cannot be used"),
        ("{", "cannot be used"),
        ("[]", "cannot be used"),
        ({"api": None}, "api: "),
        ({"api": "one"}, "api: Value error, is no version range"),
        ({"extra": 1}, "extra: "),
        ({"name": "Odd Name"}, "name: "),
        ({"name": "another"}, "its manifest names it another, its entry point odd"),
        ({"api": ">=2"}, "works with contract >=2; this is 1.1"),
        ({"api": "<1"}, "works with contract"),
        ({"api": ">=1,<2"}, None),
        ({"api": ">=0.9"}, None),
    ],
)
def test_manifest(site: Site, manifest: Any, expected: str | None) -> None:
    package = site.install("odd", manifest=manifest)
    found = problem("odd")
    assert found == expected if expected is None else expected in (found or "")
    assert "\n" not in (found or "") and "pydantic.dev" not in (found or "")
    assert package not in sys.modules  # nothing is imported to find this out


def test_manifest_that_is_a_directory(site: Site) -> None:
    package = site.install("odd", manifest=False)
    (site.folder / package / "btc_ai_plugin.json").mkdir()
    assert "has no btc_ai_plugin.json" in (problem("odd") or "")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("no-module:plugin", "names no module"),
        (":plugin", "names no module"),
        ("..x:plugin", "names no module"),
        ("no_such_package_at_all:plugin", "there is no package no_such_package_at_all"),
        ("__main__:plugin", "no"),
    ],
)
def test_entry_point(site: Site, entry: str, expected: str) -> None:
    site.install("odd", entry=entry)
    assert expected in (problem("odd") or "")
    assert problem("training") is None


def test_manifest_beside_a_module_inside_the_package(site: Site) -> None:
    site.install("deep", entry="plugin_deep.inner:plugin", inner="plugin = 1")
    assert problem("deep") is None


def test_names_are_known_and_unknown_ones_explained(site: Site) -> None:
    site.install("tides", "1 / 0", manifest={"learners": ["patient"], "markets": ["pier"]})
    site.install("old", manifest={"learners": ["fossil"], "api": "<1"})
    assert known_names() == {
        "features": BUILTIN_FEATURES,
        "learners": (*BUILTIN_LEARNERS, "patient"),
    }
    assert added("markets") == ("pier",)
    assert "did you mean 'pier'" in unknown("markets", "peer", added("markets"))
    assert "known are none" in unknown("executors", "grid", ())
    said = unknown("learners", "fossil", known_learners())
    assert said.startswith("fossil is of the plugin old, which cannot be used: works with")
    assert "plugin_tides" not in sys.modules


def test_features_of_usable_plugins_are_known(site: Site) -> None:
    site.install("tides", manifest={"features": ["moon", "sun"]})
    site.install("old", manifest={"features": ["fossil"], "api": "<1"})
    known = known_features()
    assert known[: len(BUILTIN_FEATURES)] == BUILTIN_FEATURES
    assert {"moon", "sun"} <= set(known) and "fossil" not in known
    assert "plugin_tides" not in sys.modules


@pytest.mark.parametrize("name", RESERVED)
def test_a_name_that_messages_begin_with_is_no_plugins(site: Site, name: str) -> None:
    site.install(name)
    found = next(one for one in discover() if one.name == name)
    assert found.problem and "is taken by BTC-AI itself" in found.problem


def test_nobody_can_take_a_bundled_plugins_name(site: Site) -> None:
    site.install("training")
    [found] = [one for one in discover() if one.name == "training"]
    assert found.bundled and not found.problem


def test_of_two_strangers_with_one_name_neither_is_usable(site: Site) -> None:
    site.install("able")
    other = site.folder / "other-1.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1\n")
    (other / "entry_points.txt").write_text("[btc_ai.plugins]\nable = other:plugin\n")
    found = [one for one in discover() if one.name == "able"]
    assert len(found) == 2
    assert all(one.problem and "another installed package" in one.problem for one in found)
