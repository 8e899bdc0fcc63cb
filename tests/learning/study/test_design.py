import dataclasses
from pathlib import Path

import pytest

from btc_ai.errors import UsageError
from btc_ai.learning.study.design import Cell, Study, code_version, plan
from tests.learning.study.conftest import bucket

FOLDER = Path("/folder")


def cells(study: Study, data: str = "d", code: str = "c") -> list[Cell]:
    return plan(study, data, code, FOLDER, None)


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
    assert "numpy" in code_version() and "torch" in code_version()


@pytest.mark.parametrize(("seeds", "names", "says"), [(1, "AB", "2 seeds"), (2, "A", "two buck")])
def test_what_cannot_be_compared_is_refused(seeds: int, names: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Study(tuple(tuple(bucket(name, 2, seed) for name in names) for seed in range(seeds)))
