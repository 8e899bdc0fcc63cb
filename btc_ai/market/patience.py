"""Asking again where the network fails."""

from collections.abc import Callable
from typing import TypeVar

PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0)

Answer = TypeVar("Answer")


def patiently(
    ask: Callable[[], Answer], faults: type[Exception] | tuple[type[Exception], ...],
    sleep: Callable[[float], None],
) -> Answer:  # fmt: skip
    """The answer, asked for six times in all, after 1, 2, 4, 8 and 16 seconds; raises the last."""
    for pause in PAUSES:
        try:
            return ask()
        except faults:
            sleep(pause)
    return ask()
