"""Plots as SVG that takes its colours and letters from the page, or as PNG for paper."""

import io
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from markupsafe import escape
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS = {
    "scratch": "#010101", "transfer": "#020202", "placebo": "#030303",
    "ink": "#040404", "line": "#050505",
}  # fmt: skip
"""Stand-ins, each of which the page replaces by a variable of the same name."""

ON_PAPER = {
    "scratch": "#6b7280", "transfer": "#0f6fb5", "placebo": "#b3641a",
    "ink": "#24272b", "line": "#b8b4ac",
}  # fmt: skip
"""The same by day, as `looks.css.jinja` has them; lines a little darker."""

Colours = Mapping[str, str]


_drawing = threading.Lock()
"""matplotlib's settings are those of the whole process."""


@contextmanager
def style(colours: Colours = COLOURS) -> Iterator[None]:
    """Draw, and write, as the pages look; one thread at a time."""
    ink = dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"),
                        colours["ink"])  # fmt: skip
    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "text.parse_math": False,
        "font.size": 10,
        "axes.edgecolor": colours["line"],
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.major.width": 0,
        "ytick.major.width": 0,
        **ink,
    }
    with _drawing, rc_context(settings):
        yield


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure, inches, that the page shines through."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_visible(False)
    axes = figure.add_subplot()
    axes.patch.set_visible(False)
    return figure, axes


def to_svg(figure: Figure, salt: str, label: str = "") -> str:
    """The figure as an <svg> element, drawn in COLOURS.

    salt: keeps the ids of several on a page apart. label: what a screen reader says of it.
    """
    file = io.StringIO()
    with rc_context({"svg.hashsalt": salt}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    for name, stand_in in COLOURS.items():
        text = text.replace(stand_in, f"var(--{name})")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"(font: [\d.]+px|font-family:) [^;\"]+", r"\1 var(--font)", text)
    text = re.sub(r' id="(?![mp][0-9a-f]{10}")[^"]*"', "", text)
    role = f'role="img" aria-label="{escape(label)}" ' if label else 'role="img" '
    return re.sub(r'<svg ([^>]*?)height="[\d.]+pt" ', r"<svg \1", text).replace(
        "<svg ", f"<svg {role}", 1
    )


def to_png(figure: Figure) -> bytes:
    """The figure as PNG, fit for print."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=200)
    return file.getvalue()
