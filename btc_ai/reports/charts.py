"""The charts of a report; the same for the page, in its colours, and for paper."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from btc_ai.pages.plots import new_figure
from btc_ai.reports.contents import Bucket, Curve, Importance, Policy

Colours = Mapping[str, str]

TITLES: Final = {
    "reward": "Reward, training windows", "validation_reward": "Reward, validation part",
    "loss": "Loss", "win_rate": "Win rate", "profit_factor": "Profit factor",
}  # fmt: skip
UNITS: Final = {"reward": "net bps a bar", "validation_reward": "net bps a bar", "loss": "rewards"}
LEVELS: Final = {"reward": 0.0, "validation_reward": 0.0, "win_rate": 0.5, "profit_factor": 1.0}
"""Where staying flat, or chance, is; a line there."""
ARMS: Final = {"main": "transfer", "scratch": "scratch"}
"""The colour of an arm."""

BESIDE: Final = {"model": (-0.14, "transfer"), "buy_and_hold": (0.14, "placebo")}
"""Where a policy stands in the row of its bucket, and in which colour."""


def title_of(name: str) -> str:
    """What a metric is called."""
    return TITLES.get(name, name.replace("_", " ").capitalize())


def metrics_of(bucket: Bucket) -> list[str]:
    """The metrics of a bucket, each once, in order."""
    return list(dict.fromkeys(curve.name for curve in bucket.curves))


def metric_chart(bucket: Bucket, name: str, colours: Colours) -> Figure:
    """One metric over episodes: each arm as it was, thin, and its moving average over it."""
    figure, axes = new_figure(4.6, 2.5)
    if name in LEVELS:
        axes.axhline(LEVELS[name], color=colours["line"], linewidth=1)
    if name == "validation_reward" and bucket.hold_on_validation is not None:
        axes.axhline(
            bucket.hold_on_validation, color=colours["placebo"], linewidth=1.2, linestyle=":"
        )
    curves = [curve for curve in bucket.curves if curve.name == name]
    for curve in sorted(curves, key=lambda one: one.arm, reverse=True):
        _draw(axes, curve, colours[ARMS[curve.arm]])
    if name == "validation_reward" and bucket.model is not None:
        axes.axvline(
            bucket.model.validation["episode"], color=colours["line"], linewidth=1, linestyle="--"
        )
    if name == "win_rate":
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_xlabel("episode")
    axes.set_ylabel(UNITS.get(name, ""))
    return figure


def _draw(axes: Axes, curve: Curve, colour: str) -> None:
    dashes = "--" if curve.arm == "scratch" else "-"
    axes.plot(curve.episode, curve.mean, color=colour, linewidth=0.8, alpha=0.35)
    axes.plot(curve.episode, curve.smooth, color=colour, linewidth=1.8, linestyle=dashes)


def transfer_chart(comparisons: Sequence[Mapping[str, Any]], colours: Colours) -> Figure:
    """Transferred less scratch at each milestone, with its interval."""
    figure, axes = new_figure(4.6, 2.2)
    axes.axhline(0, color=colours["line"], linewidth=1)
    for place, one in enumerate(comparisons):
        if one["low"] is not None:
            axes.plot([place, place], [one["low"], one["high"]], color=colours["transfer"])
        axes.plot([place], [one["difference"]], "o", color=colours["transfer"], markersize=5)
    axes.set_xticks(range(len(comparisons)), [f"{one['share']:.0%}" for one in comparisons])
    axes.set_xlabel("share of the episodes")
    axes.set_ylabel("bps a bar")
    return figure


def importance_chart(features: Sequence[Importance], colours: Colours) -> Figure:
    """What goes with each feature, with its interval."""
    figure, axes = new_figure(4.6, 0.9 + 0.28 * len(features))
    axes.axvline(0, color=colours["line"], linewidth=1)
    places = range(len(features))
    axes.barh(places, [one.drop for one in features], color=colours["transfer"], alpha=0.35)
    for place, one in enumerate(features):
        axes.plot([one.low, one.high], [place, place], color=colours["transfer"], linewidth=1.6)
    axes.set_yticks(places, [one.feature for one in features])
    axes.invert_yaxis()
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("net bps a bar lost without it")
    return figure


def _point(axes: Axes, policy: Policy, y: float, colour: str) -> None:
    if policy.low is not None and policy.high is not None:
        axes.plot([policy.low, policy.high], [y, y], color=colour, linewidth=2)
    axes.plot([policy.net_bps_per_bar], [y], "o", color=colour, markersize=6)


def results_chart(buckets: Sequence[Bucket], colours: Colours) -> Figure:
    """What each bucket's model earned on the test part, beside buying and holding."""
    shown = [bucket for bucket in buckets if bucket.policies]
    figure, axes = new_figure(6.4, 0.8 + 0.45 * len(shown))
    axes.axvline(0, color=colours["line"], linewidth=1)
    for place, bucket in enumerate(shown):
        for one in bucket.policies:
            if one.name in BESIDE:
                offset, name = BESIDE[one.name]
                _point(axes, one, place + offset, colours[name])
    axes.set_yticks(range(len(shown)), [bucket.bucket for bucket in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("net bps a bar on the held-out test part")
    return figure
