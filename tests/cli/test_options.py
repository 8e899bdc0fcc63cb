from typing import get_args

import pytest

from btc_ai.cli.options import Kind, bucket_names
from btc_ai.errors import UsageError
from btc_ai.names import TransferKind


def test_the_kinds_are_those_of_the_engine() -> None:
    assert tuple(kind.value for kind in Kind) == get_args(TransferKind)


@pytest.mark.parametrize("given", [["A,B"], ["A", "B"], ["A,,B,"]])
def test_buckets_can_be_named_in_several_ways(given: list[str]) -> None:
    assert bucket_names(given) == ["A", "B"]


def test_a_sequence_of_nothing_is_refused() -> None:
    assert bucket_names(None) is None
    with pytest.raises(UsageError, match="leave it out"):
        bucket_names([""])
