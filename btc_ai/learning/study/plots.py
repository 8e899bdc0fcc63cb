"""The plots of a study's page."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from btc_ai.pages.plots import COLOURS, new_figure, style, to_svg

Body = dict[str, Any]


def learning_curves(bucket: Body) -> str:
    """Validation value of each arm along the budget, with its interval."""
    with style():
        figure, axes = new_figure(4.6, 2.7)
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
        return to_svg(figure, f"curves-{bucket['bucket']}")


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
    with style():
        shown = [bucket for bucket in buckets if bucket["differences"]]
        figure, axes = new_figure(3.5, 0.7 + 0.55 * len(shown))
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
        return to_svg(figure, f"differences-{name}")


def _zero_line(axes: Axes) -> None:
    axes.axhline(0, color=COLOURS["line"], linewidth=1)
