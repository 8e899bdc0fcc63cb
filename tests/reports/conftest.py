"""A run to report on: two buckets, a transfer between them and its twin, all of it real."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from btc_ai.config import Config, load_config
from btc_ai.history.queries import History
from btc_ai.reports.contents import Report
from btc_ai.reports.gather import gather
from tests.conftest import open_house


@dataclass(frozen=True)
class Finished:
    """A run that has ended, the report that monitoring had made of it, and one gathered here."""

    config: Config
    run: str
    made: Path
    report: Report


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    """Trained once; its daemon has ended."""
    with open_house(tmp_path_factory.mktemp("reports")) as house:
        house.configure(
            MONITORING={"ENABLED": True, "UPDATE_INTERVAL": 0.5},
            KNOWLEDGE_TRANSFER={"TRANSFER_VERIFY": "twin"},
        )
        house.run(
            "train", "--market", "sample", "--sequence", "Scalping", "Short", "--episodes", "3"
        )
        run = str(house.ask("training.show")["run"])
        house.run("evaluate", "--bucket", "Short", "--from", "2024-12-01", "--to", "2024-12-08")
        made = house.root / "Models/reports" / f"{run}.html"
        house.wait_for(made.exists)
        house.wait_for(lambda: not list(made.parent.glob(".*")))
        house.close()
        config = load_config(house.config_file)
        with History.open(config) as history:
            report = gather(config, history, None, lambda share, text: None)
        yield Finished(config, run, made, report)


@pytest.fixture
def history(finished: Finished) -> Iterator[History]:
    """The history of the run."""
    with History.open(finished.config) as opened:
        yield opened
