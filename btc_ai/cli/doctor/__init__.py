"""`btc-ai doctor`: looks for what keeps training from working, and says what to do."""

import sys
from collections import Counter
from typing import TYPE_CHECKING

import typer

from btc_ai.cli.context import current, print_json
from btc_ai.cli.daemon import Json

if TYPE_CHECKING:
    from rich.console import Console

    from btc_ai.cli.doctor.findings import Finding


def doctor(ctx: typer.Context, as_json: Json = False) -> None:
    """Check installation, configuration, candles, folders and machine; exit 1 if one is wrong."""
    from btc_ai.cli.doctor.checks import examine
    from btc_ai.cli.doctor.findings import Look

    here = current(ctx)
    findings = list(examine(Look(here)))
    if as_json:
        print_json([one.as_dict() for one in findings])
    else:
        _print([one for one in findings if not here.quiet or one.level != "ok"])
        counts = Counter(one.level for one in findings)
        here.say(f"{counts['wrong']} wrong, {counts['warning']} warnings, {counts['ok']} ok")
    if any(one.level == "wrong" for one in findings):
        raise typer.Exit(1)


def _print(findings: "list[Finding]") -> None:
    from rich.console import Console

    console = Console(highlight=False)
    if console.is_terminal:
        _print_table(console, findings)
        return
    for one in findings:
        where = f" [{one.where}]" if one.where else ""
        sys.stdout.write(f"{one.level:<8} {one.check:<14} {one.what}{where}\n")
        if one.todo:
            sys.stdout.write(f"{'':<23} → {one.todo}\n")


def _print_table(console: "Console", findings: "list[Finding]") -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in ("", "check", "found"):
        table.add_column(name, overflow="fold")
    colours = {"ok": "green", "warning": "yellow", "wrong": "red"}
    for one in findings:
        lines = [one.what, *([one.where] if one.where and one.level != "ok" else [])]
        lines += [f"→ {one.todo}"] if one.todo else []
        level = Text(one.level, colours[one.level])
        table.add_row(level, one.check, Text("\n".join(lines)))
    console.print(table)
