"""What a text must contain: an expression whose search takes no longer than the text is long."""

import re

from pydantic_core import SchemaError, SchemaValidator, core_schema

from btc_ai.errors import UsageError

MOST_COPIES = 2000
"""Of a part of an expression, by its counts in braces; the time for a text grows with them."""

_COUNTS, _NUMBER = re.compile(r"\{([\d\s,]+)\}"), re.compile(r"\d+")


class Pattern:
    """A text, or a regular expression in the syntax of Rust's `regex`, which pydantic brings.

    It never steps back, as Python's own does, for which `(a+)+$` takes for ever. `^` and `$` match
    at each line.
    """

    def __init__(self, text: str, *, plain: bool = False, any_case: bool = False) -> None:
        """plain: no expression; any_case: upper and lower are one. Raises UsageError."""
        self.text = text
        self.exact = not any_case
        flags = "m" if self.exact else "mi"
        expression = f"(?{flags}){re.escape(text) if plain else _bounded(text)}"
        try:
            self._validator = SchemaValidator(core_schema.str_schema(pattern=expression))
        except SchemaError as error:
            raise _no_expression(text, _why(error)) from None

    def finds(self, text: str) -> bool:
        """Whether `text` contains it."""
        whole = text if text.isascii() else text.encode(errors="replace").decode()
        return self._validator.isinstance_python(whole)


def _bounded(expression: str) -> str:
    """Itself. Raises UsageError where it is longer than it looks."""
    if "\n" in expression:  # a comment of the mode x could hide a count
        raise _no_expression(expression, "it has more than one line")
    copies = 1
    for counts in _COUNTS.findall(expression):
        copies *= max([1, *(int(count[:9]) for count in _NUMBER.findall(counts))])
    if copies > MOST_COPIES:
        why = f"its counts in braces multiply to more than {MOST_COPIES}"
        raise _no_expression(expression, why)
    return expression


def _why(error: SchemaError) -> str:
    """The last of the lines that the engine says."""
    return str(error).strip().rpartition("\n")[2].strip().removeprefix("error: ").rstrip(".")


def _no_expression(text: str, why: str) -> UsageError:
    return UsageError(
        f"{text[:60]!r} is no regular expression: {why}; put a backslash before what is to be "
        "taken as it is"
    )
