"""The same table on every executor; nothing repeated; a page that shows it."""

import dataclasses
import fcntl
import json
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from btc_ai.api.step import StepStoppedError
from btc_ai.errors import TrainingError
from btc_ai.execution.inline import InlineExecutor
from btc_ai.execution.process import ProcessExecutor
from btc_ai.learning.evaluation.trials import TrialLedger
from btc_ai.learning.study.design import Study, code_version, plan
from btc_ai.learning.study.page import make_page
from btc_ai.learning.study.study import StudyProgress
from btc_ai.learning.study.task import LOCK, locked, run_task
from btc_ai.learning.transfer.milestones import read_milestones
from btc_ai.market.candles import Candles
from btc_ai.market.features.builtin import builtin_features
from btc_ai.names import TransferKind
from tests.learning.study.conftest import Counting, conduct


@pytest.fixture(scope="module")
def finished(
    study: Study, candles: Candles, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("studies") / "inline"
    trials = folder.parent / "trials.jsonl"
    return folder, conduct(study, candles, InlineExecutor(), folder, trials=trials)


Finished = tuple[Path, dict[str, Any]]


def test_the_table_is_of_the_runs_own_numbers(finished: Finished) -> None:
    folder, table = finished
    runs = json.loads((folder / "study.json").read_bytes())["runs"]
    assert len(runs) == table["runs"] == 8
    assert "2 seeds" in table["note"]
    first, second = table["buckets"]
    assert set(first["arms"]) == {"scratch"} and not first["differences"]
    for key, cell in runs.items():
        bucket = first if cell["bucket"] == "A" else second
        seeds = bucket["arms"][cell["arm"]]["seeds"]
        milestones = read_milestones(folder / "tasks" / key)
        assert seeds["validation"][cell["seed"]] == [one.value for one in milestones]
        card = json.loads((folder / "tasks" / key / "model.json").read_bytes())
        assert seeds["test"][cell["seed"]] == card["evaluation"]["model"]["net_bps_per_bar"]
        assert (card["transfer"] is None) == (cell["arm"] == "scratch")
    arms = second["arms"]
    ahead = np.subtract(*(arms[arm]["seeds"]["validation"] for arm in ("transfer", "scratch")))
    found = second["differences"]["transfer"]
    assert [row["value"] for row in found["validation"]] == pytest.approx(ahead.mean(axis=0))
    assert found["jumpstart"]["value"] == pytest.approx(ahead[:, 0].mean())
    assert found["asymptote"]["value"] == pytest.approx(ahead[:, -1].mean())


def test_arms_begin_where_they_should(finished: Finished) -> None:
    """Transfer begins elsewhere than scratch; the placebo has its weights, but shuffled."""
    folder, table = finished
    runs = json.loads((folder / "study.json").read_bytes())["runs"]
    cards = {
        (cell["seed"], cell["bucket"], cell["arm"]): json.loads(
            (folder / "tasks" / key / "model.json").read_bytes()
        )
        for key, cell in runs.items()
    }
    for seed in range(2):
        source = cards[seed, "A", "scratch"]["weights_sha256"]
        for arm in ("transfer", "placebo"):
            card = cards[seed, "B", arm]
            assert source in card["fingerprint"]["initial model"]
        hashes = {cards[seed, "B", arm]["weights_sha256"] for arm in ("transfer", "placebo")}
        assert len(hashes) == 2
    assert table["overall"]["placebo"]["improvement"]["value"] != 0


@pytest.mark.slow
def test_a_pool_gives_the_same_table_to_the_last_bit(
    finished: Finished, study: Study, candles: Candles, tmp_path: Path
) -> None:
    conduct(study, candles, ProcessExecutor(2), tmp_path / "pool")
    same = (finished[0] / "results.json").read_bytes()
    assert (tmp_path / "pool/results.json").read_bytes() == same


def test_a_stopped_study_repeats_no_finished_run(
    finished: Finished, study: Study, candles: Candles, tmp_path: Path
) -> None:
    folder, seen = tmp_path / "stopped", list[StudyProgress]()
    with pytest.raises(StepStoppedError):
        conduct(
            study, candles, InlineExecutor(), folder,
            on_progress=seen.append, should_stop=lambda: bool(seen) and seen[-1].done >= 3,
        )  # fmt: skip
    done = {path.parent.name for path in folder.glob("tasks/*/result.json")}
    assert len(done) == 3
    written = {path: path.stat().st_mtime_ns for path in folder.glob("tasks/*/model.json")}
    again = Counting(InlineExecutor())
    conduct(study, candles, again, folder, on_progress=seen.append)
    assert len(again.asked) == 5 and not set(again.asked) & done
    assert all(path.stat().st_mtime_ns == when for path, when in written.items())
    assert (folder / "results.json").read_bytes() == (finished[0] / "results.json").read_bytes()
    assert seen[-1] == StudyProgress(8, 8, 0.0)
    once_more = Counting(InlineExecutor())
    conduct(study, candles, once_more, folder)
    assert once_more.asked == []


def test_other_candles_are_another_study(
    finished: Finished, study: Study, candles: Candles, tmp_path: Path
) -> None:
    folder, code = finished[0], partial(code_version, builtin_features())
    assert all(
        (folder / "tasks" / c.task.key).exists()
        for c in plan(study, candles.sha256, code, folder, finished[0].parent / "trials.jsonl")
    )
    keys = [
        c.task.key for c in plan(study, candles.take(slice(0, 3_000)).sha256, code, folder, None)
    ]
    assert not any((folder / "tasks" / key).exists() for key in keys)


def test_each_run_is_a_trial(finished: Finished) -> None:
    assert len(TrialLedger(finished[0].parent / "trials.jsonl").read()) == 8


@pytest.mark.parametrize(("learner", "kind"), [("pqn", "features"), ("dqn", "horizons")])
def test_one_kind_can_be_studied_with_any_learner(
    study: Study, candles: Candles, tmp_path: Path, learner: str, kind: TransferKind
) -> None:
    settings = tuple(
        tuple(dataclasses.replace(one, learner=learner) for one in seed) for seed in study.settings
    )
    table = conduct(Study(settings, (kind,)), candles, InlineExecutor(), tmp_path)
    assert (table["learner"], table["kinds"], table["runs"]) == (learner, [kind], 8)
    for path in tmp_path.glob("tasks/*/model.json"):
        card = json.loads(path.read_bytes())
        assert card["transfer"] is None or card["transfer"]["kinds"] == [kind]


def test_a_run_that_fails_is_named(study: Study, tmp_path: Path, candles: Candles) -> None:
    short = candles.take(slice(0, 200))
    with pytest.raises(TrainingError, match=r"A, seed 0, arm scratch: .*candles.*resume the study"):
        conduct(study, short, InlineExecutor(), tmp_path)


def test_a_machine_that_does_not_see_the_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="storage that they share"):
        run_task({"folder": str(tmp_path / "elsewhere"), "key": "k"}, {}, lambda: False)


def test_a_folder_that_cannot_be_written_says_how_a_study_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match="`btc-ai study resume` for a study"):
        locked(tmp_path / "file", lambda: False).__enter__()


def test_a_machine_with_other_code_says_so(study: Study, candles: Candles, tmp_path: Path) -> None:
    (tmp_path / "study.json").touch()
    cell = plan(study, candles.sha256, lambda settings: "of long ago", tmp_path, None)[0]
    with pytest.raises(TrainingError, match=r"is of \[of long ago\], but .* has \[.*numpy"):
        run_task(cell.task.arguments, {"candles": candles}, lambda: False)


def test_a_run_is_alone_in_its_folder(tmp_path: Path) -> None:
    """What a lost machine may still be writing is waited for."""
    now = fcntl.LOCK_EX | fcntl.LOCK_NB
    with (tmp_path / LOCK).open("w") as other:
        with locked(tmp_path, lambda: False), pytest.raises(BlockingIOError):
            fcntl.flock(other, now)
        fcntl.flock(other, now)
        looks = 0

        def let_go() -> bool:
            nonlocal looks
            looks += 1
            fcntl.flock(other, fcntl.LOCK_UN)
            return False

        with locked(tmp_path, let_go):
            assert looks == 1


def test_a_run_that_another_process_keeps_is_not_waited_for_in_vain(tmp_path: Path) -> None:
    with locked(tmp_path, lambda: False):
        with pytest.raises(TrainingError, match=f"has held {tmp_path}/lock"):
            locked(tmp_path, lambda: False, patience_s=0).__enter__()
        with pytest.raises(StepStoppedError):
            locked(tmp_path, lambda: True).__enter__()


class _Tags(HTMLParser):
    """Checks that tags close, and collects what a page would load and what it says."""

    VOID = ("meta", "link", "br", "img", "input")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        self.loads += [
            str(value) for name, value in attrs
            if name in ("src", "href", "xlink:href") and not str(value).startswith("#")
        ]  # fmt: skip

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_no_other_file_and_takes_its_colours_from_the_theme(
    finished: Finished,
) -> None:
    page = (finished[0] / "report.html").read_text()
    tags = _Tags()
    tags.feed(page)
    assert not tags.open and not tags.loads
    assert page.count("<svg") == 3 + 2
    assert "#0" not in page.partition("<body>")[2]  # no colour but the page's own
    assert "prefers-color-scheme: dark" in page
    assert "DejaVu" not in page
    assert page == make_page(finished[1], finished[0].name)


def test_the_page_says_what_was_found(finished: Finished) -> None:
    table = json.loads(json.dumps(finished[1]))
    for contrast, low, high in (("transfer", 0.1, 0.3), ("knowledge", -0.1, 0.3)):
        table["overall"][contrast]["test"] = {"value": 0.2, "low": low, "high": high}
    tags = _Tags()
    tags.feed(make_page(table, "abc"))
    said = " ".join(tags.text.split())
    assert "did better with transfer than from scratch: +0.200 (+0.100 to +0.300)" in said
    assert "Yet transfer cannot be told from the placebo" in said
    assert "they say nothing of other periods" in said
    table["symbol"] = "<script>"
    assert "<script>" not in make_page(table, "abc")
