"""The plots of a study's page, as SVG that takes its colours and letters from the page."""

import io
import re
from collections.abc import Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Body = dict[str, Any]

COLOURS = {
    "scratch": "#010101", "transfer": "#020202", "placebo": "#030303",
    "ink": "#040404", "line": "#050505",
}  # fmt: skip
"""Stand-ins, each of which the page replaces by a variable of the same name."""

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "btc-ai",
    "font.size": 10,
    "text.color": COLOURS["ink"],
    "axes.labelcolor": COLOURS["ink"],
    "axes.edgecolor": COLOURS["line"],
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": COLOURS["ink"],
    "ytick.color": COLOURS["ink"],
    "xtick.major.width": 0,
    "ytick.major.width": 0,
}


def learning_curves(bucket: Body) -> str:
    """Validation value of each arm along the budget, with its interval."""
    with rc_context(STYLE):
        figure, axes = _figure(4.6, 2.7)
        for arm, found in bucket["arms"].items():
            rows = found["validation"]
            at = range(len(rows))
            axes.fill_between(
                at, [row["low"] for row in rows], [row["high"] for row in rows],
                color=COLOURS[arm], alpha=0.14, linewidth=0,
            )  # fmt: skip
            axes.plot(
                at, [row["value"] for row in rows], color=COLOURS[arm], linewidth=2, marker="o",
                markersize=4, linestyle="--" if arm == "placebo" else "-",
            )  # fmt: skip
        _zero_line(axes)
        rows = bucket["arms"]["scratch"]["validation"]
        axes.set_xticks(range(len(rows)), [f"{row['share']:.0%}" for row in rows])
        _keep_the_end_visible(axes, bucket)
        axes.set_xlabel("share of the episodes")
        return _svg(figure, f"curves-{bucket['bucket']}")


def _keep_the_end_visible(axes: Axes, bucket: Body) -> None:
    """An untrained network may lose far more than any later one earns; it is cut off below."""
    rows = [arm["validation"] for arm in bucket["arms"].values()]
    lowest = min(row["low"] for arm in rows for row in arm)
    low, high = (
        pick([0.0, *(row[name] for arm in rows for row in arm[1:])])
        for pick, name in ((min, "low"), (max, "high"))
    )
    room = 0.1 * (high - low) or 0.1
    axes.set_ylim(max(lowest, low - 3 * room) - room, high + room)


def differences(buckets: Sequence[Body], name: str) -> str:
    """By how much transfer and placebo are ahead, a row a bucket: test, asymptote or jumpstart."""
    with rc_context(STYLE):
        shown = [bucket for bucket in buckets if bucket["differences"]]
        figure, axes = _figure(3.5, 0.7 + 0.55 * len(shown))
        for place, bucket in enumerate(shown):
            for offset, contrast in ((-0.14, "transfer"), (0.14, "placebo")):
                found, colour = bucket["differences"][contrast][name], COLOURS[contrast]
                y = place + offset
                axes.plot([found["low"], found["high"]], [y, y], color=colour, linewidth=2)
                axes.plot([found["value"]], [y], "o", color=colour, markersize=6)
        axes.axvline(0, color=COLOURS["line"], linewidth=1)
        axes.set_yticks(range(len(shown)), [bucket["bucket"] for bucket in shown])
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("net bps a bar ahead of scratch")
        return _svg(figure, f"differences-{name}")


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_visible(False)
    axes = figure.add_subplot()
    axes.patch.set_visible(False)
    return figure, axes


def _zero_line(axes: Axes) -> None:
    axes.axhline(0, color=COLOURS["line"], linewidth=1)


def _svg(figure: Figure, salt: str) -> str:
    """The figure as an <svg> element; `salt` keeps the ids of several on a page apart."""
    file = io.StringIO()
    with rc_context({"svg.hashsalt": salt}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    for name, stand_in in COLOURS.items():
        text = text.replace(stand_in, f"var(--{name})")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"(font: [\d.]+px|font-family:) [^;\"]+", r"\1 var(--font)", text)
    text = re.sub(r' id="(?!m|p)[^"]*"', "", text)
    return re.sub(r'<svg ([^>]*?)height="[\d.]+pt" ', r"<svg \1", text).replace(
        "<svg ", '<svg role="img" ', 1
    )
