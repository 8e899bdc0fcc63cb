"""What lies in a models folder, beside its history: models, and what is wrong with it."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btc_ai.api.service import Body
from btc_ai.api.threads import in_thread
from btc_ai.history.files import CARD, model_folders, read_card
from btc_ai.history.found import look, stamp_of, state_of
from btc_ai.paths import history_file, transfers_file

MOST_MODELS = 200
MOST_PROBLEMS = 20


@dataclass(frozen=True)
class Found:
    """The models of a folder, newest first, and what is wrong, in words."""

    models: list[Body]
    problems: list[str]


def look_into(folder: Path) -> Found:
    """What is there; nothing is written, nothing is raised."""
    if not folder.is_dir():
        return Found([], [f"there is no folder {folder}; `btc-ai train` makes it"])
    models: list[Body] = []
    problems: list[str] = []
    for place in model_folders(folder, problems):
        if (model := _model(place, problems)) is not None:
            models.append(model)
    newest = sorted(models, key=lambda one: str(one["created"]), reverse=True)
    return Found(newest[:MOST_MODELS], problems[:MOST_PROBLEMS])


def _model(place: Path, problems: list[str]) -> Body | None:
    """A model in a few words; one in training has no card yet."""
    try:
        (place / CARD).lstat()
    except FileNotFoundError:
        return None
    except OSError as error:
        problems.append(f"{place} cannot be read: {error.strerror}")
        return None
    if (card := read_card(place)) is None:
        problems.append(f"{place / CARD} is no card of a model: damaged, or another program's")
        return None
    validation = card.get("validation")
    abstains = validation.get("abstains") if isinstance(validation, dict) else None
    return {
        "bucket": card["bucket"], "name": place.name, "created": card.get("created"),
        "episodes": card.get("episodes"), "abstains": abstains,
    }  # fmt: skip


async def watch_folder(
    folder: Path, interval: Callable[[], float], changed: Callable[[], Awaitable[None]], *,
    wanted: Callable[[], bool] = lambda: True,
) -> None:  # fmt: skip
    """Call `changed` whenever something in the folder is another, and once it is wanted again."""
    known = await in_thread(lambda: _stamp(folder))
    while True:
        await asyncio.sleep(interval())
        if not wanted():
            known = ()
        elif (found := await in_thread(lambda: _stamp(folder))) != known:
            known = found
            await changed()


def _stamp(folder: Path) -> tuple[Any, ...]:
    """What changes when the history is written, a model is saved or an episode ends."""
    history = history_file(folder)
    places = [history, Path(f"{history}-wal"), transfers_file(folder), folder]
    with suppress(OSError):
        places += [Path(one.path) for one in os.scandir(folder) if one.is_dir()]
    now = time.time()
    runs = {run: state_of(folders, now) for run, folders in look(folder).items()}
    return *((one, stamp_of(one)) for one in places), runs
