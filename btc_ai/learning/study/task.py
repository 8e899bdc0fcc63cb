"""One run of a study, wherever it is done: train one bucket and tell what it was worth."""

import fcntl
import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from btc_ai.api.executor import Shared
from btc_ai.api.step import StepStoppedError
from btc_ai.durable import replace_durably
from btc_ai.errors import TrainingError
from btc_ai.learning.bucket import train_bucket
from btc_ai.learning.evaluation.trials import TrialLedger
from btc_ai.learning.files import disk_errors
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.start import InitialModel
from btc_ai.learning.study.design import code_version
from btc_ai.learning.transfer.milestones import read_milestones
from btc_ai.market.features.installed import installed_features

Body = dict[str, Any]

STUDY, TASKS, RESULT, LOCK = "study.json", "tasks", "result.json", "lock"
PATIENCE_S, LOOK_S = 60.0, 0.2


def run_task(arguments: Body, shared: Shared, should_stop: Callable[[], bool]) -> Body:
    """Train one cell of `design.plan` on the shared `candles`; the same again is not repeated.

    The result: `milestones` (share of the budget, episode, net bps a bar on validation), `test`
    and `hold` (net bps a bar of the model and of buy-and-hold on the held-out part), `abstains`,
    `degraded`, `weights_sha256`. Raises TrainingError where this machine has other code than the
    study, or another process has the run, and as `train_bucket`.
    """
    folder = Path(arguments["folder"])
    directory = folder / TASKS / arguments["key"]
    _require_folder(folder)
    with locked(directory, should_stop):
        if (finished := read_result(folder, arguments["key"])) is not None:
            return finished
        result = _train(arguments, directory, shared, should_stop)
        with disk_errors(directory / RESULT):
            replace_durably(directory / RESULT, json.dumps(result).encode())
    return result


def _train(
    arguments: Body, directory: Path, shared: Shared, should_stop: Callable[[], bool]
) -> Body:
    settings = TrainingSettings.from_json(arguments["settings"])
    registry = installed_features(_Log())
    _require_code(arguments["code"], code_version(registry, settings))
    trained = train_bucket(
        settings,
        shared["candles"],
        registry,
        directory,
        initial=_initial(arguments, settings.seed),
        ledger=TrialLedger(Path(arguments["trials"])) if arguments["trials"] else None,
        lineage={"study": arguments["folder"], "arm": arguments["arm"]},
        should_stop=should_stop,
    )
    milestones = [[one.share, one.episode, one.value] for one in read_milestones(directory)]
    return {
        "milestones": milestones,
        "test": trained.evaluation["model"].net_bps_per_bar,
        "hold": trained.evaluation["buy_and_hold"].net_bps_per_bar,
        "abstains": trained.validation["abstains"],
        "degraded": trained.degraded,
        "weights_sha256": trained.weights_sha256,
    }


def _initial(arguments: Body, seed: int) -> InitialModel | None:
    if arguments["source"] is None:
        return None
    return InitialModel(
        Path(arguments["folder"]) / TASKS / arguments["source"],
        kinds=tuple(arguments["kinds"]),
        placebo=seed if arguments["arm"] == "placebo" else None,
    )


def read_result(folder: Path, key: str) -> Body | None:
    """What a finished task found; None where it is not finished."""
    try:
        found: Body = json.loads((folder / TASKS / key / RESULT).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return found


@contextmanager
def locked(
    directory: Path, should_stop: Callable[[], bool], *, patience_s: float = PATIENCE_S
) -> Iterator[None]:
    """Alone in `directory`: a machine that was given up for dead may still be at work there.

    The lock ends with its process. Raises TrainingError where another keeps it for longer than
    `patience_s`, and StepStoppedError once `should_stop` says so.
    """
    path = directory / LOCK
    with disk_errors(path):
        directory.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    with file:
        end = time.monotonic() + patience_s
        while not _lock(file, path):
            if should_stop():
                raise StepStoppedError(f"stopped while waiting for {path}")
            if time.monotonic() > end:
                raise TrainingError(
                    f"another process has held {path} for {patience_s:g} s; wait for it or end it, "
                    "then `btc-ai study resume`"
                )
            time.sleep(LOOK_S)
        yield


def _lock(file: IO[str], path: Path) -> bool:
    with disk_errors(path):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _require_folder(folder: Path) -> None:
    if not (folder / STUDY).is_file():
        raise TrainingError(
            f"{socket.gethostname()} does not see the study's folder {folder}; all machines of a "
            "cluster must see MODELS_DIR under the same name: put it on storage that they share"
        )


def _require_code(asked: str, own: str) -> None:
    if own != asked:
        raise TrainingError(
            f"the study is of [{asked}], but {socket.gethostname()} has [{own}]; install the same "
            "on all machines, then `btc-ai study resume`"
        )


class _Log:
    """What the program says while it loads plugins, to the standard library's logging."""

    _log = logging.getLogger(__name__)

    def _say(self, level: int, event: str, values: dict[str, Any]) -> None:
        traceback = bool(values.pop("exc_info", False))
        self._log.log(level, "%s %s", event, values, exc_info=traceback)

    def debug(self, event: str, **values: Any) -> None:
        """Log at DEBUG."""
        self._say(logging.DEBUG, event, values)

    def info(self, event: str, **values: Any) -> None:
        """Log at INFO."""
        self._say(logging.INFO, event, values)

    def warning(self, event: str, **values: Any) -> None:
        """Log at WARNING."""
        self._say(logging.WARNING, event, values)

    def error(self, event: str, **values: Any) -> None:
        """Log at ERROR."""
        self._say(logging.ERROR, event, values)
