"""A report as one file of HTML that needs no other, in dark, in light and on paper."""

import json
from typing import Any

from btc_ai.pages.page import page_environment
from btc_ai.pages.plots import COLOURS, style, to_svg
from btc_ai.reports import charts, words
from btc_ai.reports.contents import Bucket, Report

Body = dict[str, Any]


def make_page(report: Report) -> str:
    """The page; the same report gives the same one."""
    environment = page_environment(
        "btc_ai.reports",
        moment=words.moment,
        duration=words.duration,
        number=words.number,
        interval=_interval,
        value=words.value,
        span=words.span,
        cells=words.policy_cells,
        note=words.memory_note,
        title=words.evaluation_title,
        facts=words.evaluation_facts,
    )
    models = [bucket for bucket in report.buckets if bucket.model]
    costs = {f"{one.model.settings['cost_bps']:g} bps" for one in models if one.model}
    with style():
        return environment.get_template("report.html.jinja").render(
            report=report,
            models=models,
            policy_columns=words.POLICY_COLUMNS,
            results=_results(report),
            charts={bucket.position: _metrics(bucket) for bucket in report.buckets},
            transfers={bucket.position: _transfer(bucket) for bucket in report.buckets},
            importance={bucket.position: _importance(bucket) for bucket in report.buckets},
            whole=json.dumps(report.settings.whole, indent=2, ensure_ascii=False),
            cost=", ".join(sorted(costs)) or "in it",
        )


def _interval(one: Any) -> str:
    """Of a comparison, which is a dictionary, or of a dataclass."""
    found = one if isinstance(one, dict) else vars(one)
    return words.interval(found["low"], found["high"])


def _results(report: Report) -> str:
    if not any(bucket.policies for bucket in report.buckets):
        return ""
    figure = charts.results_chart(report.buckets, COLOURS)
    said = "; ".join(f"{one.bucket}: {one.verdict.text}" for one in report.buckets)
    return to_svg(figure, "results", f"Results on the test part. {said}")


def _metrics(bucket: Bucket) -> dict[str, str]:
    """The chart of each metric, by its title."""
    found = {}
    for name in charts.metrics_of(bucket):
        figure = charts.metric_chart(bucket, name, COLOURS)
        title = charts.title_of(name)
        said = f"{title} of {bucket.bucket} over episodes. {_ends(bucket, name)}"
        found[title] = to_svg(figure, f"{bucket.position}-{name}", said)
    return found


def _ends(bucket: Bucket, name: str) -> str:
    """Where the curves of a metric begin and end, for those who do not see them."""
    arms = {"main": "This run", "scratch": "The twin from scratch"}
    return " ".join(
        f"{arms[one.arm]}, smoothed, from {one.smooth[0]:.3g} in episode {one.episode[0]} to "
        f"{one.smooth[-1]:.3g} in episode {one.episode[-1]}."
        for one in bucket.curves
        if one.name == name
    )


def _transfer(bucket: Bucket) -> str:
    transfer = bucket.transfer
    if transfer is None or not transfer.comparisons:
        return ""
    figure = charts.transfer_chart(transfer.comparisons, COLOURS)
    return to_svg(figure, f"{bucket.position}-transfer", transfer.verdict.text)


def _importance(bucket: Bucket) -> str:
    if not bucket.importance:
        return ""
    said = "; ".join(f"{one.feature} {one.drop:+.3f}" for one in bucket.importance)
    figure = charts.importance_chart(bucket.importance, COLOURS)
    return to_svg(figure, f"{bucket.position}-importance", f"Net bps a bar lost without: {said}")
