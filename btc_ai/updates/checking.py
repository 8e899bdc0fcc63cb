"""Asks a release slot whether it would work here, on copies of what is stored."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from btc_ai.backups.create import create
from btc_ai.backups.listing import keep
from btc_ai.backups.manifest import FILES
from btc_ai.config import load_config
from btc_ai.updates.layout import Layout
from btc_ai.updates.slots import slot_python

LIMIT_S = 300.0
BACKUPS_KEPT = 5
DATABASES = ("journal.sqlite3", "history.sqlite3")


def problems(
    layout: Layout, version: str, config_file: Path | None, plugins: Sequence[str], *, backup: bool
) -> list[str]:
    """Everything that keeps a release from working with this configuration and these databases.

    plugins: those it has to have. backup: keep the backup that is made for it (the newest five are
    kept). Raises BtcAiError where what is stored cannot be copied.
    """
    with tempfile.TemporaryDirectory(dir=layout.state) as scratch:
        stored, copies = _back_up(version, config_file, Path(scratch), backup), Path(scratch, "try")
        copies.mkdir()
        for name in DATABASES:
            if stored is not None and (stored / name).exists():
                (copies / name).write_bytes((stored / name).read_bytes())
        return _ask(layout.releases / version, config_file, copies, plugins)


def _back_up(version: str, config_file: Path | None, scratch: Path, kept: bool) -> Path | None:
    """Where copies of the databases are; None where there is nothing yet."""
    config = load_config(config_file)
    if not config.MODELS_DIR.exists():
        return None
    if not kept:
        config = config.model_copy(update={"BACKUPS_DIR": scratch / "backup"})
    folder = create(config, config_file, f"before {version}")
    if kept:
        keep(config.BACKUPS_DIR, BACKUPS_KEPT)
    return folder / FILES / "models"


def _ask(
    slot: Path, config_file: Path | None, copies: Path, plugins: Sequence[str]
) -> list[str]:  # fmt: skip
    command = [
        str(slot_python(slot)), "-I", "-m", "btc_ai.updates.preflight", str(config_file or ""),
        str(copies),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return [f"it cannot be run: {error}"]
    with suppress(ValueError, KeyError, TypeError, IndexError):
        told = json.loads(done.stdout.splitlines()[-1])
        missing = [one for one in plugins if one not in told["plugins"]]
        return [*told["problems"], *(f"it lacks the plugin {one}" for one in missing)]
    return [f"it cannot be run: {(done.stderr.strip() or 'it said nothing')[-800:]}"]
