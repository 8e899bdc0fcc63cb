"""Tries a new release before anything depends on it: run by the slot's own Python.

    SLOT/bin/python -I -m btc_ai.updates.preflight CONFIG FOLDER

imports every module, checks the configuration and opens copies of the job journal and the history
in FOLDER (empty arguments: none). It prints one JSON object: `version`, `problems`, and `plugins`,
those that this release can use. An older release reads that: its shape stays.
"""

import importlib
import json
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path

import btc_ai
from btc_ai.api.discovery import discover, known_names
from btc_ai.config import Config, load_config
from btc_ai.errors import BtcAiError
from btc_ai.history.database import open_for_writing
from btc_ai.journal import SqliteJournal
from btc_ai.paths import history_file, journal_file

LEFT_OUT = ("__main__", "migrations")
"""What does something when it is imported."""


def look(config_file: Path | None, state: Path | None) -> Iterator[str]:
    """Everything that keeps this release from working here, in words."""
    yield from _imports()
    try:
        config = load_config(config_file, **known_names())
    except BtcAiError as error:
        yield f"it does not take the configuration: {error}"
        return
    for found in discover():
        if found.problem and config.plugin(found.name).ENABLED:
            yield f"the plugin {found.name} does not work with it: {found.problem}"
    if state is not None:
        yield from _opens(config.model_copy(update={"MODELS_DIR": state}))


def _imports() -> Iterator[str]:
    for module in pkgutil.walk_packages(btc_ai.__path__, "btc_ai."):
        if any(part in LEFT_OUT for part in module.name.split(".")):
            continue
        try:
            importlib.import_module(module.name)
        except Exception as error:  # noqa: BLE001  # whatever a broken release may raise
            yield f"{module.name} cannot be imported: {type(error).__name__}: {error}"


def _opens(config: Config) -> Iterator[str]:
    try:
        if journal_file(config.MODELS_DIR).exists():
            SqliteJournal(journal_file(config.MODELS_DIR)).close()
        if history_file(config.MODELS_DIR).exists():
            open_for_writing(config).dispose()
    except BtcAiError as error:
        yield f"it cannot read what is stored: {error}"


def main() -> None:
    """Print what was found."""
    config, state = (Path(one) if one else None for one in sys.argv[1:3])
    problems = list(look(config, state))
    plugins = [one.name for one in discover() if not one.problem]
    told = {"version": btc_ai.__version__, "problems": problems, "plugins": plugins}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
