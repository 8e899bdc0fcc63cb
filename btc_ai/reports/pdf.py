"""A report as PDF, for paper and for the mail: what the page shows, in the same words."""

import io
from typing import Any

from matplotlib.figure import Figure
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, KeepTogether, SimpleDocTemplate, Spacer

from btc_ai.pages.plots import ON_PAPER, style
from btc_ai.reports import charts, words
from btc_ai.reports.contents import Bucket, Report
from btc_ai.reports.paper import SOFT, grid, image, register_fonts, said, table, text


def make_pdf(report: Report) -> bytes:
    """The document."""
    register_fonts()
    buffer = io.BytesIO()
    document = SimpleDocTemplate(
        buffer, pagesize=A4, leftMargin=16 * mm, rightMargin=16 * mm, topMargin=15 * mm,
        bottomMargin=16 * mm, title=f"Training report {report.run}", author="BTC-AI",
    )  # fmt: skip

    def number_page(canvas: Any, document: Any) -> None:
        canvas.setFont("Report", 7)
        canvas.setFillColor(SOFT)
        canvas.drawString(16 * mm, 9 * mm, f"Run {report.run} · {words.moment(report.made)}")
        canvas.drawRightString(A4[0] - 16 * mm, 9 * mm, str(document.page))

    with style(ON_PAPER):
        story = [
            *_summary(report), *_evaluations(report), *_buckets(report), *_facts(report)
        ]  # fmt: skip
    document.build(story, onFirstPage=number_page, onLaterPages=number_page)
    return buffer.getvalue()


def _summary(report: Report) -> list[Flowable]:
    market = f"{report.data.symbol} {report.data.interval}"
    market += " (synthetic)" if report.data.synthetic else ""
    seed = "" if report.seed is None else f" · seed {report.seed}"
    story = [
        text("Training report", "title"),
        text(
            f"Run {report.run} · {market}{seed} · begun "
            f"{words.moment(report.created)} · {report.state}", "soft",
        ),
        Spacer(1, 6), said(report.verdict),
    ]  # fmt: skip
    if report.warnings:
        story += [text("Before you believe a number", "head")]
        story += [text(f"• {one}") for one in report.warnings]
    story += [text("Bucket by bucket", "head")]
    for bucket in report.buckets:
        told = [said(bucket.verdict)]
        told += [said(bucket.transfer.verdict)] if bucket.transfer else []
        done = f"{bucket.state}, {bucket.episode}/{bucket.episodes} episodes by {bucket.learner}"
        story.append(KeepTogether([text(f"{bucket.bucket}: {done}", "sub"), *told]))
    if any(bucket.policies for bucket in report.buckets):
        story += [text("On the held-out test part", "head"), text(_RESULTS, "soft")]
        story += [image(charts.results_chart(report.buckets, ON_PAPER), 0.8)]
        rows = [
            [one.bucket if place == 0 else "", *words.policy_cells(policy)]
            for one in report.buckets
            for place, policy in enumerate(one.policies)
        ]
        widths = (52, 78, 44, 84, 46, 38, 50, 34, 42, 40)
        story += [table(["bucket", *words.POLICY_COLUMNS], rows, widths)]
    return story


def _evaluations(report: Report) -> list[Flowable]:
    story: list[Flowable] = []
    for bucket in report.buckets:
        for one in bucket.evaluations:
            rows = [words.policy_cells(policy) for policy in one.policies]
            told = [
                text(f"{bucket.bucket}: {words.evaluation_title(one)}", "sub"), said(one.verdict),
                table(words.POLICY_COLUMNS, rows, (88, 50, 94, 50, 42, 54, 38, 48, 44)),
                *(text(f"• {fact}") for fact in words.evaluation_facts(one)),
                text(f"• Evaluation {one.job}, {words.moment(one.made)}: {one.file}"),
            ]  # fmt: skip
            story.append(KeepTogether(told))
    return [text("Evaluated on its own", "head"), text(_EVALUATED, "soft"), *story] if story else []


def _buckets(report: Report) -> list[Flowable]:
    story: list[Flowable] = []
    for bucket in report.buckets:
        found = _figures(bucket)
        if not found:
            continue
        notes = [text(f"• {words.memory_note(note)}") for note in bucket.memory]
        story += [text(bucket.bucket, "head"), text(_LEGEND, "soft"), grid(found), *notes]
    return story


_RESULTS = "Blue: the model; orange: buying and holding; with 95 % intervals, net of cost."
_EVALUATED = "By btc-ai evaluate, beside baselines that decide as often, on the same bars."
_LEGEND = (
    "Blue: this run; grey, dashed: its twin from scratch; orange, dotted: buying and holding. "
    "Thin: each episode; thick: debiased moving average. Dashed upright line: the chosen episode."
)


def _figures(bucket: Bucket) -> list[tuple[str, Figure]]:
    found = [
        (charts.title_of(name), charts.metric_chart(bucket, name, ON_PAPER))
        for name in charts.metrics_of(bucket)
    ]
    if bucket.transfer and bucket.transfer.comparisons:
        figure = charts.transfer_chart(bucket.transfer.comparisons, ON_PAPER)
        found.append((f"Transfer from {bucket.transfer.source}: transferred − scratch", figure))
    if bucket.importance:
        found.append(
            ("What each feature is worth", charts.importance_chart(bucket.importance, ON_PAPER))
        )
    return found


def _facts(report: Report) -> list[Flowable]:
    data = report.data
    story = [text("The candles", "head")]
    if data.problem:
        story += [text(data.problem)]
    else:
        story += [text(f"{data.bars:,} bars, {data.first} to {data.last} UTC, from {data.source}.")]
        story += [
            text(f"• {one.severity}: {one.kind} × {one.count:,}: {one.meaning}")
            for one in data.findings
        ] or [text("No bar is missing, and none is odd.")]
    if report.peaks:
        rows = [[one.what, f"{one.memory_mb:,.0f}"] for one in report.peaks]
        story += [text("Memory at its peak", "head"), table(["of", "MiB"], rows, (200, 80))]
    story += [text("The configuration", "head"), text(_changes(report), "soft")]
    if report.settings.changed:
        rows = [
            [one.key, words.value(one.value), words.value(one.default)]
            for one in report.settings.changed
        ]
        story += [table(["key", "value", "default"], rows, (150, 180, 178))]
    return [*story, *_settings(report), *_hashes(report)]


def _changes(report: Report) -> str:
    if not report.settings.changed:
        return "All keys are at their defaults."
    return "What differs from the defaults, when this report was made."


def _settings(report: Report) -> list[Flowable]:
    models = [one for one in report.buckets if one.model]
    if not models:
        return []
    keys = [key for key in models[0].model.settings if key != "bucket"] if models[0].model else []
    rows = [
        [key, *(words.value(one.model.settings.get(key)) for one in models if one.model)]
        for key in keys
    ]
    widths = [108, *[400 / len(models)] * len(models)]
    columns = ["setting", *(one.bucket for one in models)]
    return [text("What each model was trained with", "sub"), table(columns, rows, widths)]


def _hashes(report: Report) -> list[Flowable]:
    rows = []
    for one in report.buckets:
        if one.model:
            versions = ", ".join(f"{k} {v}" for k, v in one.model.versions.items())
            parts = "; ".join(f"{k} {words.span(v)}" for k, v in one.model.parts.items())
            rows.append([one.bucket, f"weights {one.model.weights_sha256}\n{versions}\n{parts}"])
    rows += [["candles", report.data.sha256 or "not known"]]
    rows += [["configuration", report.settings.sha256]]
    rows += [["this report", ", ".join(f"{k} {v}" for k, v in report.versions.items())]]
    return [text("Versions and hashes", "head"), table(["of", "what"], rows, (80, 428))]
