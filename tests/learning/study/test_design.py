import dataclasses
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from btc_ai.errors import UsageError
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.study import design
from btc_ai.learning.study.design import Cell, Study, code_version, plan
from btc_ai.market.features.builtin import builtin_features
from tests.learning.study.conftest import bucket

FOLDER = Path("/folder")


def cells(study: Study, data: str = "d", code: str = "c") -> list[Cell]:
    return plan(study, data, lambda settings: code, FOLDER, None)


def keys(found: list[Cell]) -> list[str]:
    return [cell.task.key for cell in found]


@pytest.fixture
def three() -> Study:
    return Study(
        tuple(tuple(bucket(name, 2, seed) for name in ("A", "B", "C")) for seed in range(2)),
        ("weights", "horizons"),
    )


def test_every_bucket_seed_and_arm_is_trained_once(three: Study) -> None:
    found = cells(three)
    assert len(set(keys(found))) == len(found) == 2 * (1 + 3 + 3)
    assert {(c.bucket, c.arm) for c in found if c.bucket == 0} == {(0, "scratch")}


def test_transfer_goes_along_the_same_seeds_transfer_arm(three: Study) -> None:
    by_cell = {(c.seed, c.bucket, c.arm): c.task for c in cells(three)}
    for seed in range(2):
        first = by_cell[seed, 0, "scratch"].key
        second = by_cell[seed, 1, "transfer"].key
        for arm in ("transfer", "placebo"):
            assert by_cell[seed, 1, arm].needs == (first,)
            assert by_cell[seed, 2, arm].needs == (second,)
        assert by_cell[seed, 2, "scratch"].needs == ()
        assert by_cell[seed, 2, "transfer"].arguments["kinds"] == ["weights", "horizons"]


def test_a_key_follows_from_all_that_decides_a_result(three: Study) -> None:
    original = keys(cells(three))
    assert keys(cells(three)) == original
    assert not set(keys(cells(three, data="e"))) & set(original)
    assert not set(keys(cells(three, code="e"))) & set(original)
    changed = dataclasses.replace(three, kinds=("weights",))
    same = set(keys(cells(changed))) & set(original)
    assert same == {c.task.key for c in cells(three) if c.arm == "scratch"}


def test_more_seeds_leave_the_keys_of_the_first_ones(three: Study) -> None:
    more = Study((*three.settings, tuple(bucket(name, 2, 9) for name in "ABC")), three.kinds)
    assert set(keys(cells(three))) < set(keys(cells(more)))


def test_the_code_version_names_what_decides_the_last_bits() -> None:
    version = code_version(builtin_features(), bucket("A", 2, 0))
    assert "numpy" in version and "torch" in version


def test_the_code_version_covers_features_of_plugins(tmp_path: Path) -> None:
    def version(settings: TrainingSettings, code: str) -> str:
        (tmp_path / "added.py").write_text(f"def feature(candles):\n    return {code}\n")
        spec = spec_from_file_location("added", tmp_path / "added.py")
        assert spec and spec.loader
        sys.modules["added"] = module = module_from_spec(spec)
        spec.loader.exec_module(module)
        registry = builtin_features()
        registry.register("added", module.feature, 0)
        return code_version(registry, settings)

    plain = bucket("A", 2, 0)
    added = dataclasses.replace(plain, features=("price", "added"))
    try:
        assert version(added, "{}") == version(added, "{}") != version(added, "{ }")
        assert version(plain, "{}") == version(plain, "{ }")
    finally:
        del sys.modules["added"]


def test_the_code_version_leaves_out_what_only_shows_results() -> None:
    """Each file named there is one, or it would be hashed after all."""
    for name in design.AFTER:
        assert Path(design.__file__).with_name(name).is_file()


@pytest.mark.parametrize(("seeds", "names", "says"), [(1, "AB", "2 seeds"), (2, "A", "two buck")])
def test_what_cannot_be_compared_is_refused(seeds: int, names: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Study(tuple(tuple(bucket(name, 2, seed) for name in names) for seed in range(seeds)))
