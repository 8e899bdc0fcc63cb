"""Small charts of text: a curve in a line, and a share as a bar with its zones."""

from collections.abc import Sequence
from itertools import pairwise

from rich.text import Text

STEPS = "▁▂▃▄▅▆▇█"
FULL, EMPTY, MARK = "█", "─", "┊"


def sparkline(values: Sequence[float | None], width: int) -> str:
    """The curve of `values` in at most `width` letters, each the mean of those that share it.

    What is None is left out; a constant is drawn at half height.
    """
    known = [one for one in values if one is not None]
    if not known or width < 1:
        return ""
    count = min(width, len(known))
    edges = [round(place * len(known) / count) for place in range(count + 1)]
    means = [sum(known[low:high]) / (high - low) for low, high in pairwise(edges)]
    least, reach = min(means), max(means) - min(means)
    if reach <= 0:
        return STEPS[len(STEPS) // 2 - 1] * count
    return "".join(STEPS[min(7, int(8 * (one - least) / reach))] for one in means)


def meter(share: float, width: int, warning: float = 1.0, limit: float = 1.0) -> Text:
    """A share of 0 to 1 as a bar: green, from `warning` on yellow, from `limit` on red."""
    filled = round(min(max(share, 0.0), 1.0) * width)
    marks = {min(width - 1, int(one * width)) for one in (warning, limit) if one < 1}
    bar = Text()
    for place in range(width):
        at = (place + 0.5) / width
        if place < filled:
            bar.append(FULL, "red" if at > limit else "yellow" if at > warning else "green")
        else:
            bar.append(MARK if place in marks else EMPTY, "dim")
    return bar
