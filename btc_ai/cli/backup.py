"""`btc-ai backup`: create, list, verify, restore."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from btc_ai.cli.context import Globals, current, print_json
from btc_ai.errors import BtcAiError

app = typer.Typer(
    no_args_is_help=True,
    help="Backups of configuration, history, journal and models' metadata: create, list, verify, "
    "restore.",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON")]
Name = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="Its name or folder (default: the newest)")
]
_MIB = 1 << 20


@app.command()
def create(
    ctx: typer.Context,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; shown by `list`")] = "by hand",
    keep: Annotated[
        int | None, typer.Option(min=1, help="Remove all but so many of the newest, this one too")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a backup, beside a running daemon too; weights, candles, logs and keys are not in it."""
    from btc_ai.backups.create import create as make
    from btc_ai.backups.listing import keep as keep_newest
    from btc_ai.backups.manifest import read_manifest

    here = current(ctx)
    config = here.config()
    folder = make(config, here.config_file, reason)
    manifest = read_manifest(folder)
    removed = keep_newest(config.BACKUPS_DIR, keep) if keep else []
    if as_json:
        print_json({**_row(folder, asdict(manifest)), "removed": [one.name for one in removed]})
        return
    here.say(f"wrote {folder}: {len(manifest.entries)} files, {_size(asdict(manifest))}")
    for note in manifest.notes:
        here.say(f"not in it: {note}")
    for one in removed:
        here.say(f"removed {one}")


@app.command("list")
def list_backups(ctx: typer.Context, as_json: Json = False) -> None:
    """List the backups in BACKUPS_DIR, newest first."""
    from btc_ai.backups.listing import backups

    here = current(ctx)
    found = backups(here.config().BACKUPS_DIR)
    for one in found:
        if one.problem:
            sys.stderr.write(f"btc-ai: {one.problem}\n")
    rows = [_row(one.folder, asdict(one.manifest)) for one in found if one.manifest]
    if as_json:
        print_json(rows)
        return
    if not rows:
        here.say(f"there are no backups in {here.config().BACKUPS_DIR}")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("name", "BTC-AI", "files", "size", "why"):
        table.add_column(column)
    for row in rows:
        size = f"{row['bytes'] / _MIB:,.1f} MiB"
        table.add_row(row["name"], row["version"], str(row["files"]), size, row["reason"])
    Console(highlight=False).print(table)


@app.command()
def verify(ctx: typer.Context, name: Name = None, as_json: Json = False) -> None:
    """Read a backup whole and compare it with its hashes; exit code 1 where it is damaged."""
    from btc_ai.backups.listing import find
    from btc_ai.backups.manifest import faults, read_manifest

    here = current(ctx)
    folder = find(here.config().BACKUPS_DIR, name)
    manifest = read_manifest(folder)
    wrong = faults(folder, manifest)
    if as_json:
        print_json({**_row(folder, asdict(manifest)), "faults": wrong})
    elif not wrong:
        here.say(f"{folder} is whole: {len(manifest.entries)} files")
    if wrong:
        raise BtcAiError("\n  ".join([f"{folder} is damaged:", *wrong]))


@app.command()
def restore(
    ctx: typer.Context,
    name: Name = None,
    configuration: Annotated[
        bool, typer.Option("--configuration/--no-configuration", help="The configuration file too")
    ] = True,
    as_json: Json = False,
) -> None:
    """Put a backup back, with the daemon stopped; what is there now is backed up before."""
    from btc_ai.backups.listing import find
    from btc_ai.backups.restore import restore as put_back
    from btc_ai.lock import Lock
    from btc_ai.paths import models_lock_file

    here = current(ctx)
    config = here.config()
    folder = find(config.BACKUPS_DIR, name)
    lock = Lock(
        models_lock_file(config.MODELS_DIR),
        f"MODELS_DIR {config.MODELS_DIR}",
        "a daemon (process {holder}) uses {what}; stop it with `btc-ai daemon stop`, then restore",
    )
    try:
        file = _file_to_write(here) if configuration else None
        done = put_back(folder, config, file, configuration=configuration)
    finally:
        lock.release()
    if as_json:
        print_json({"backup": folder.name, "restored": done.names, "before": str(done.before)})
        return
    here.say(f"put back {len(done.names)} files of {folder}")
    here.say(f"what was there before is in {done.before}")


def _file_to_write(here: Globals) -> Path:
    from btc_ai.paths import user_config

    return here.config_file or user_config()


def _row(folder: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    entries = manifest["entries"]
    return {
        "name": folder.name,
        "folder": str(folder),
        "created": manifest["created"],
        "version": manifest["version"],
        "reason": manifest["reason"],
        "files": len(entries),
        "bytes": sum(one["bytes"] for one in entries),
        "notes": manifest["notes"],
    }


def _size(manifest: dict[str, Any]) -> str:
    return f"{sum(one['bytes'] for one in manifest['entries']) / _MIB:,.1f} MiB"
