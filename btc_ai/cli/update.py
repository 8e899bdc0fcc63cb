"""`btc-ai update`: check, download, install, rollback, status, history."""

import sys
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from packaging.version import parse

from btc_ai import __version__
from btc_ai.cli.context import Globals, current, print_json
from btc_ai.cli.update_views import MIB, moment, nothing_newer, print_offer, progress, status_rows
from btc_ai.errors import UsageError

if TYPE_CHECKING:
    from btc_ai.updates.layout import Layout
    from btc_ai.updates.offer import Offer

app = typer.Typer(
    no_args_is_help=True,
    help="Updates: check, download, install, rollback, status, history.",
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON")]
Version = Annotated[
    str | None, typer.Option(metavar="V", help="This release (default: the newest that suits)")
]
Downgrade = Annotated[
    bool, typer.Option("--allow-downgrade", help="V may be older than what is installed")
]
Timeout = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", min=1, help="Give up after so long, whatever the server does"),
]


@app.command()
def check(
    ctx: typer.Context,
    version: Version = None,
    *,
    allow_downgrade: Downgrade = False,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Ask the update server for the newest release that suits, and show what it brings."""
    here = current(ctx)
    offer = _ask(here, version, allow_downgrade, timeout, fetch=False)
    if as_json:
        print_json(offer.as_dict())
        return
    print_offer(here, offer, _options(version, allow_downgrade))


@app.command()
def download(
    ctx: typer.Context,
    version: Version = None,
    *,
    allow_downgrade: Downgrade = False,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Fetch and verify a release, so that it can be installed; only what is not there already."""
    here = current(ctx)
    offer = _ask(here, version, allow_downgrade, timeout, fetch=True)
    if as_json:
        print_json(offer.as_dict())
    elif offer.version is None:
        here.say(nothing_newer(offer))
    else:
        here.say(
            f"{offer.version} is here, verified: {offer.bytes / MIB:,.1f} MiB; "
            f"`btc-ai update install{_options(version, allow_downgrade)}` installs it"
        )


@app.command()
def install(
    ctx: typer.Context,
    version: Version = None,
    *,
    allow_downgrade: Downgrade = False,
    timeout: Timeout = None,
    backup: Annotated[
        bool | None,
        typer.Option("--backup/--no-backup", help="Back up first (default: as configured)"),
    ] = None,
    watch: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, help="Watch it for so long before it is good"),
    ] = 60.0,
    into: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Make an installation in release slots there"),
    ] = None,
    auto: Annotated[
        bool,
        typer.Option("--auto", help="Only where AUTO_UPDATE and WINDOW have it installed now"),
    ] = False,
    as_json: Json = False,
) -> None:
    """Install a release: on trial, watched, and undone by itself where it does not do."""
    from btc_ai.cli import update_install
    from btc_ai.updates.auto import closed, hindrance
    from btc_ai.updates.kinds import require_slots
    from btc_ai.updates.layout import Layout

    here = current(ctx)
    say = update_install.Say(here, aside=as_json)
    layout = require_slots() if into is None else Layout(into.expanduser().absolute())
    fetch = partial(_fetch, here, layout, timeout=timeout)
    if into is not None:
        made = update_install.set_up(layout, lambda: _for_slots(fetch, version), say)
        if as_json:
            print_json({"version": made, "root": str(layout.root)})
        else:
            here.say(f"{made} is in {layout.current}; use {layout.current}/bin/btc-ai from now on")
        return
    settings, now = here.config().UPDATE_SYSTEM, datetime.now()
    against, wanted = closed(settings, now) if auto else "", None
    if not against:
        wanted, against = fetch(version, downgrade=allow_downgrade)
    if auto and wanted and (reason := hindrance(layout, wanted, now.timestamp())):
        wanted, against = None, f"{wanted} is not installed: {reason}"
    if wanted is None:
        say(against)
        if as_json:
            print_json({"version": None, "before": __version__, "outcome": None})
        return
    keep = settings.BACKUP_BEFORE_UPDATE if backup is None else backup
    by = "auto" if auto else "hand"
    order = update_install.order_for(here, wanted, backup=keep, watch_s=watch, by=by)
    done = update_install.install(layout, order, say)
    if as_json:
        print_json({"version": wanted, "before": done.before, "outcome": done.outcome})


def _for_slots(fetch: Callable[..., tuple[str | None, str]], version: str | None) -> str:
    """The release for new slots: the one asked for, else the newest, else this one."""
    wanted = version or fetch(None, downgrade=False)[0] or __version__
    fetch(wanted, downgrade=True)
    return wanted


def _fetch(
    here: Globals, layout: "Layout", version: str | None, *, downgrade: bool, timeout: float | None
) -> tuple[str | None, str]:
    """The version that is here to be installed, downloaded if need be; None, and why not."""
    if version is not None and (layout.staged / f"{version}.json").is_file():
        if parse(version) < parse(__version__) and not downgrade:
            raise UsageError(f"{version} is older than {__version__}; say --allow-downgrade")
        return version, ""
    offer = _ask(here, version, downgrade, timeout, fetch=True, layout=layout)
    return (offer.version, "") if offer.version is not None else (None, nothing_newer(offer))


def _options(version: str | None, downgrade: bool) -> str:
    """What the next command needs so that it means the same release."""
    named = f" --version {version}" if version else ""
    return named + (" --allow-downgrade" if downgrade else "")


@app.command()
def rollback(ctx: typer.Context, version: Version = None, as_json: Json = False) -> None:
    """Go back to the release before this one, or to V, where it can read what is stored."""
    from btc_ai.cli import update_install
    from btc_ai.updates.kinds import require_slots

    here = current(ctx)
    say = update_install.Say(here, aside=as_json)
    target = update_install.rollback(here, require_slots(), version, say)
    if as_json:
        print_json({"version": target})


@app.command()
def status(ctx: typer.Context, as_json: Json = False) -> None:
    """Show what is installed, what was found last, what is ready, and what failed; no network."""
    from btc_ai.updates.layout import own_layout
    from btc_ai.updates.status import status as look

    here = current(ctx)
    found = look(here.config().UPDATE_SYSTEM, own_layout()[0])
    if as_json:
        print_json(found)
        return
    for name, value in status_rows(found):
        here.say(f"{name:<11} {value}")


@app.command()
def history(ctx: typer.Context, as_json: Json = False) -> None:
    """List the updates that were tried, newest first, and what became of them."""
    from btc_ai.updates.layout import own_layout
    from btc_ai.updates.slotctl import Controller

    here = current(ctx)
    done = Controller(own_layout()[0].root).history()[::-1]
    if as_json:
        print_json(done)
    elif not done:
        here.say("nothing was updated yet")
    else:
        for one in done:
            words = f"{one['from'] or 'nothing'} → {one['to']}: {one['what']}"
            reason = f" ({one['reason']})" if one["reason"] else ""
            sys.stdout.write(f"{moment(one['time'])}  {words}{reason}\n")


def _ask(
    here: Globals,
    version: str | None,
    downgrade: bool,
    timeout: float | None,
    *,
    fetch: bool,
    layout: "Layout | None" = None,
) -> "Offer":
    from btc_ai.updates.asking import ask
    from btc_ai.updates.layout import own_layout
    from btc_ai.updates.offer import request

    if downgrade and version is None:
        raise UsageError("--allow-downgrade goes with --version, which says to what")
    asked = request(
        here.config().UPDATE_SYSTEM, layout or own_layout()[0],
        fetch=fetch, version=version, allow_downgrade=downgrade,
    )  # fmt: skip
    if not fetch:
        return ask(asked, limit_s=timeout)
    with progress(here) as received:
        return ask(asked, received, timeout)
