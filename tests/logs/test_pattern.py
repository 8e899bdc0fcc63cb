"""Expressions: found fast whatever they are, or refused in words."""

import string

import pytest

from btc_ai.errors import UsageError
from btc_ai.logs.pattern import Pattern

LONG = 40_000
"""Characters of the longest message with the longest traceback."""


@pytest.mark.parametrize(
    ("expression", "text", "found"),
    [
        ("bad [3-9]$", "step bad 4", True),
        ("^Value", "failed\nValueError: x", True),
        ("Failed", "failed", False),
        ("(?i)Failed", "failed", True),
        ("x.y", "\ud800x\ud800y", True),
    ],
)
def test_an_expression_is_found(expression: str, text: str, found: bool) -> None:
    assert Pattern(expression).finds(text) is found


def test_a_plain_text_is_taken_as_it_is() -> None:
    for one in string.printable:
        assert Pattern(f"A{one}b", plain=True, any_case=True).finds(f"xa{one}B")
    assert not Pattern("a.b", plain=True).finds("axb")


@pytest.mark.parametrize("expression", ["(a+)+$", "(a|aa)*c", "a*a*a*a*a*a*a*c", "(a?){40}a{40}c"])
def test_none_steps_back(expression: str) -> None:
    """Python's own would take longer than the universe has been there."""
    assert not Pattern(expression).finds("a" * LONG + "b")


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("(a", "unclosed group"),
        ("a(?=b)", "look-ahead"),
        ("((a{1,50}){50}){7}", "multiply to more than 2000"),
        ("a{" + "9" * 5000 + "}", "multiply to more than 2000"),
        ("(?x)a{2 # b\n000}", "more than one line"),
    ],
)
def test_what_is_none_is_refused_in_a_line(expression: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        Pattern(expression)
    assert str(refused.value).count("\n") == 0
