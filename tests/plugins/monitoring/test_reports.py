"""Which runs get a report, across restarts; and that what goes wrong is told."""

from pathlib import Path

from btc_ai.plugins.monitoring.messages import Report
from tests.history.conftest import run_view, step_view
from tests.plugins.monitoring.test_service import Bench, bench


def reports(here: Bench) -> list[Report]:
    return [one for one in here.context.published if isinstance(one, Report)]


def owed(folder: Path) -> list[str]:
    return sorted(one.name for one in (folder / "reports").glob(".*"))


def test_a_run_that_ends_gets_a_report_and_one_of_long_ago_none(tmp_path: Path) -> None:
    async def work(here: Bench) -> None:
        await here.context.hear("training.run", run_view(state="done", run="older2"))
        await here.context.hear("training.run", run_view(step_view()))
        await here.until(lambda: owed(tmp_path) == [".abc234.owed"])
        await here.context.hear("training.run", run_view(step_view(), state="done"))
        await here.until(lambda: bool(reports(here)))
        (report,) = reports(here)
        assert report.run == "abc234" and report.error is None
        assert Path(str(report.path)) == tmp_path / "reports/abc234.html"
        assert "</html>" in Path(str(report.path)).read_text()
        await here.until(lambda: owed(tmp_path) == [])
        await here.context.hear("training.run", run_view(step_view(), state="done"))
        await here.until(here.service._reports._news.empty)
        assert len(reports(here)) == 1

    bench(tmp_path, work)


def test_what_is_owed_at_the_start_is_made_up_for_once_the_history_knows_the_end(
    tmp_path: Path,
) -> None:
    (tmp_path / "reports").mkdir()
    for run in ("abc234", "def567", "gone89"):
        (tmp_path / f"reports/.{run}.owed").touch()

    async def work(here: Bench) -> None:
        here.runs = [
            run_view(step_view(), state="failed", error="no disk"),
            run_view(step_view(), run="def567"),
        ]
        await here.service._backfill()
        await here.until(lambda: bool(reports(here)))
        await here.until(lambda: owed(tmp_path) == [".def567.owed", ".gone89.owed"])
        assert [one.run for one in reports(here)] == ["abc234"]

    bench(tmp_path, work)


def test_none_is_made_where_they_are_switched_off(tmp_path: Path) -> None:
    async def work(here: Bench) -> None:
        await here.context.hear("training.run", run_view(step_view()))
        await here.until(lambda: owed(tmp_path) == [".abc234.owed"])
        monitoring = here.config.MONITORING.model_copy(update={"GENERATE_REPORTS": False})
        here.context.config = here.config.model_copy(update={"MONITORING": monitoring})
        await here.context.hear("training.run", run_view(step_view(), state="done"))
        await here.until(lambda: owed(tmp_path) == [])
        assert reports(here) == []

    bench(tmp_path, work)


def test_a_report_that_fails_is_told_and_not_tried_for_ever(tmp_path: Path) -> None:
    async def work(here: Bench) -> None:
        await here.context.hear("training.run", run_view(step_view()))
        await here.until(lambda: owed(tmp_path) == [".abc234.owed"])
        (tmp_path / "reports/abc234.html").mkdir()  # in the way
        await here.context.hear("training.run", run_view(step_view(), state="done"))
        await here.until(lambda: bool(reports(here)))
        (report,) = reports(here)
        assert report.path is None and "cannot be written" in str(report.error)
        await here.until(lambda: owed(tmp_path) == [])

    bench(tmp_path, work)


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file")

    async def work(here: Bench) -> None:
        await here.context.hear("training.run", run_view(step_view()))
        await here.until(lambda: "reports cannot be kept" in str(here.context.log.kept))
        await here.context.hear("training.run", run_view(step_view(), state="done"))
        await here.tell(1)
        await here.until(lambda: here.service._writer.settled and here.episodes() == [1])
        assert reports(here) == []

    bench(tmp_path, work)
