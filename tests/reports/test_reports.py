"""Reports of a real run: whole, true, self-contained, and written whole or not at all."""

import dataclasses
import json
import re
import shutil
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sqlalchemy import create_engine, insert, update

from btc_ai.config import Config
from btc_ai.errors import BtcAiError, HistoryError
from btc_ai.history import schema
from btc_ai.history.queries import History
from btc_ai.history.unrecorded import open_history
from btc_ai.paths import history_file
from btc_ai.reports import FORMS, make_report
from btc_ai.reports.contents import Report
from btc_ai.reports.gather import gather
from btc_ai.reports.page import make_page
from btc_ai.reports.pdf import make_pdf
from tests.reports.conftest import Finished

pytestmark = pytest.mark.slow

VOID = {"meta", "br"}
NAMESPACES = {"xmlns", "xmlns:xlink"}


class Page(HTMLParser):
    """Checks that tags close, and collects what the page would load, its tables and its words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.tags: dict[str, list[dict[str, str | None]]] = {}
        self.words = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.tags.setdefault(tag, []).append(dict(attrs))
        self._attributes(attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._attributes(attrs)

    def _attributes(self, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name.split(":")[-1] in ("src", "href") or "//" in (value or ""):
                self.loads += [value or ""] if name not in NAMESPACES else []

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture
def copied(finished: Finished, tmp_path: Path) -> Iterator[Config]:
    """The same run over a copy of its history, to be changed."""
    models = tmp_path / "Models"
    models.mkdir()
    (models / "history.sqlite3").write_bytes(history_file(finished.config.MODELS_DIR).read_bytes())
    yield finished.config.model_copy(update={"MODELS_DIR": models})


def change(config: Config, table: str, **values: object) -> None:
    engine = create_engine(f"sqlite:///{history_file(config.MODELS_DIR)}")
    with engine.begin() as connection:
        connection.execute(update(schema.metadata.tables[table]).values(**values))
    engine.dispose()


def gathered(config: Config) -> Report:
    with History.open(config) as history:
        return gather(config, history, None, lambda share, text: None)


def bare(report: Report) -> Report:
    """Without charts, which take their time."""
    buckets = [dataclasses.replace(one, curves=[], importance=[]) for one in report.buckets]
    return dataclasses.replace(report, buckets=buckets)


def test_it_holds_what_the_history_the_models_and_the_candles_tell(
    finished: Finished, history: History
) -> None:
    report = finished.report
    assert (report.run, report.state) == (finished.run, "done")
    first, second = report.buckets
    row = history.run(finished.run).buckets[1]
    assert first.transfer is None and second.transfer is not None
    assert second.transfer.decision == row.detail["verdict"]["decision"]
    assert second.transfer.comparisons == row.detail["verdict"]["comparisons"]
    (whole,) = history.curves(finished.run, 1, ["reward"])[:1]
    drawn = next(one for one in second.curves if (one.name, one.arm) == ("reward", whole.arm))
    assert (drawn.episode, drawn.mean) == (whole.episode, whole.mean)
    assert {one.arm for one in second.curves} == {"main", "scratch"}
    for bucket in report.buckets:
        assert bucket.model is not None and bucket.model.over_hold is not None
        card = json.loads(Path(bucket.model.folder, "model.json").read_bytes())
        assert bucket.model.weights_sha256 == card["weights_sha256"]
        assert {one.feature for one in bucket.importance} == set(card["importance"])
        model = bucket.policies[0]
        assert model.name == "model" and model.low is not None and model.high is not None
        assert model.low <= model.net_bps_per_bar <= model.high
    assert first.evaluations == []
    (evaluated,) = second.evaluations
    assert evaluated.kind == "frozen" and Path(evaluated.file).is_file()
    assert evaluated.policies[0].name == "model"
    assert {one.name for one in evaluated.policies} >= {"flat", "buy_and_hold", "random", "macd"}
    for one in evaluated.policies:
        assert one.low is not None and one.high is not None
        assert one.low <= one.net_bps_per_bar <= one.high
    assert report.data.trained_sha256 == [report.data.sha256] and report.data.bars == 120_000
    assert {one.what for one in report.peaks} >= {"the run", "the machine, all programs"}
    assert "MONITORING.UPDATE_INTERVAL" in {one.key for one in report.settings.changed}
    said = " ".join(report.warnings)
    assert "synthetic" in said and "3 episodes a bucket are few" in said


def require_alike(one: object, other: object, names: str) -> None:
    """Two of a kind have the same values."""
    for name in names.split():
        assert getattr(one, name) == getattr(other, name), name


def test_a_run_is_told_by_its_folders_as_by_its_history(
    finished: Finished, history: History, tmp_path: Path
) -> None:
    models = tmp_path / "Elsewhere"
    shutil.copytree(
        finished.config.MODELS_DIR, models, symlinks=True,
        ignore=shutil.ignore_patterns("*.sqlite3*"),
    )  # fmt: skip
    files = sorted(models.rglob("*"))
    with open_history(finished.config.model_copy(update={"MODELS_DIR": models})) as found:
        ours, theirs = found.run(finished.run), history.run(finished.run)
        require_alike(ours, theirs, "run state symbol interval synthetic transfer")
        for mine, other in zip(ours.buckets, theirs.buckets, strict=True):
            require_alike(mine, other, "bucket state learner episodes episode arm degraded")
            model = Path(other.detail["outcome"]["model"])
            assert mine.detail["outcome"]["model"] == str(models / mine.bucket / model.name)
            names = ["reward", "loss", "validation_reward"]
            for one, same in zip(
                history.curves(finished.run, other.position, names),
                found.curves(finished.run, mine.position, names), strict=True,
            ):  # fmt: skip
                require_alike(one, same, "name arm episode mean")
        (transfer,), (judged,) = found.transfers(), history.transfers()
        require_alike(
            transfer, judged, "transfer source target kinds decision reason difference low"
        )
        assert transfer.detail["verdict"] == judged.detail["verdict"]
        plans = transfer.detail["transfer"], judged.detail["transfer"]
        assert plans[0]["matched"] == plans[1]["matched"] and plans[0]["new"] == plans[1]["new"]
        report = gather(
            finished.config.model_copy(update={"MODELS_DIR": models}), found, None,
            lambda share, text: None,
        )  # fmt: skip
    assert any("run folders" in one for one in report.warnings) and report.seed is None
    assert [one.verdict for one in report.buckets] == [
        one.verdict for one in finished.report.buckets
    ]
    assert Page(make_page(bare(report))).words and make_pdf(bare(report))
    assert sorted(models.rglob("*")) == files


def test_the_page_is_whole_and_loads_nothing(finished: Finished) -> None:
    text = finished.made.read_text()
    page = Page(text)
    assert [one for one in page.loads if not one.startswith("#")] == []
    assert not re.search(r"@import|url\((?!#)|<script", text)
    assert "prefers-color-scheme: dark" in text and "@media print" in text
    assert all(one.get("aria-label") for one in page.tags["svg"])
    assert all(one.get("scope") for one in page.tags["th"])
    for part in (finished.run, finished.report.verdict.text, *finished.report.warnings):
        assert part.replace("`", "") in page.words
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def _note(told: list[tuple[float, str]], share: float, text: str) -> None:
    told.append((share, text))


def test_each_form_is_written_with_its_progress(finished: Finished, tmp_path: Path) -> None:
    for form in FORMS:
        told: list[tuple[float, str]] = []
        path = make_report(
            finished.config, finished.run[:4], form, tmp_path, partial(_note, told)
        )  # fmt: skip
        assert path == tmp_path / f"{finished.run}.{form}"
        assert told == sorted(told, key=lambda one: one[0]) and told[-1] == (1.0, "done")
    read = json.loads((tmp_path / f"{finished.run}.json").read_text())
    again = json.loads(json.dumps(dataclasses.asdict(finished.report)))
    assert {**read, "made": 0} == {**again, "made": 0}
    pdf = (tmp_path / f"{finished.run}.pdf").read_bytes()
    assert pdf.startswith(b"%PDF") and pdf.rstrip().endswith(b"%%EOF")
    assert len(re.findall(rb"/Type /Page\b", pdf)) >= 4
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(
        f"{finished.run}.{form}" for form in FORMS
    )


def test_a_report_that_cannot_be_written_leaves_the_old_one(
    finished: Finished, tmp_path: Path
) -> None:
    old = tmp_path / "file"
    old.write_text("old")
    with pytest.raises(BtcAiError, match="cannot be written"):
        make_report(finished.config, output=old / "inside.json", form="json")
    assert old.read_text() == "old" and list(tmp_path.iterdir()) == [old]


def test_what_is_written_in_a_history_is_shown_as_text(copied: Config) -> None:
    evil = "<script>alert('x')</script> & $\\frac{$ \x1b[31m"
    change(copied, "runs", state="failed", error=evil)
    report = bare(gathered(copied))
    page = Page(make_page(report))
    assert "script" not in page.tags and "alert('x')" in page.words
    assert make_pdf(report).startswith(b"%PDF")


def test_models_that_are_gone_or_foreign_are_told(copied: Config, tmp_path: Path) -> None:
    with History.open(copied) as history:
        detail = history.run(history.find().run).buckets[0].detail
    folder = tmp_path / "model"
    folder.mkdir()
    for card in (None, "[]", "{}", '{"weights_sha256": 1, "parts": 3}', "\x00"):
        if card is not None:
            (folder / "model.json").write_text(card)
        moved = {**detail, "outcome": {**detail["outcome"], "model": str(folder)}}
        change(copied, "buckets", detail=moved)
        report = gathered(copied)
        assert all(bucket.model is None for bucket in report.buckets)
        assert any("card is gone or damaged" in text for text in report.warnings)
        assert (
            "how sure that is, is not known" in report.buckets[0].verdict.text
            or (detail["outcome"]["validation"]["abstains"])
        )
    assert Page(make_page(bare(report))).words


def test_candles_that_are_gone_or_others_are_told(finished: Finished, tmp_path: Path) -> None:
    report = gathered(finished.config.model_copy(update={"DATA_DIR": tmp_path}))
    assert report.data.problem is not None and "does not exist" in report.data.problem
    assert report.buckets[0].hold_on_validation is None
    assert "cannot be looked at" in " ".join(report.warnings)
    assert "does not exist" in Page(make_page(bare(report))).words


def test_a_run_under_way_and_an_empty_one_have_reports(copied: Config) -> None:
    change(copied, "runs", state="running")
    with History.open(copied) as history:
        rows = history.run(history.find().run).buckets
    engine = create_engine(f"sqlite:///{history_file(copied.MODELS_DIR)}")
    with engine.begin() as connection:
        table = schema.buckets
        detail = {**rows[1].detail, "outcome": None}
        connection.execute(
            update(table).where(table.c.position == 1).values(state="running", detail=detail)
        )
        new = {
            "run": "empty", "state": "queued", "created": 9e9, "updated": 9e9, "seed": 0,
            "symbol": "BTC/USDT", "interval": "5m", "synthetic": False, "transfer": True,
        }  # fmt: skip
        connection.execute(insert(schema.runs), new)
    engine.dispose()
    with History.open(copied) as history:
        under_way = gather(copied, history, rows[0].run, lambda share, text: None)
        empty = gather(copied, history, None, lambda share, text: None)
    assert under_way.verdict.text == "The run is running: 1 of 2 buckets are trained."
    assert under_way.buckets[1].verdict.text.startswith("In training: ")
    assert Page(make_page(bare(under_way))).words and make_pdf(bare(under_way))
    assert empty.run == "empty" and Page(make_page(empty)).words and make_pdf(empty)


def test_no_history_and_no_such_run_are_errors(finished: Finished, tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="has no run yet"):
        make_report(Config.model_validate({"MODELS_DIR": str(tmp_path)}))
    with pytest.raises(HistoryError, match="has no run 'zz'"):
        make_report(finished.config, "zz")
