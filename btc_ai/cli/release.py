"""`btc-ai release`: for whoever publishes: keygen, build, sign, publish, refresh."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from btc_ai.cli.context import Globals, current
from btc_ai.errors import UpdateError, UsageError

if TYPE_CHECKING:
    from btc_ai.releases.keys import Keys
    from btc_ai.releases.publish import Published

app = typer.Typer(
    no_args_is_help=True,
    help="Publishing releases for `btc-ai update`: keygen, build, sign, publish, refresh.",
)

PASSPHRASE = "BTC_AI_KEY_PASSPHRASE"

KeysFolder = Annotated[
    Path, typer.Option("--keys", metavar="DIR", help="The folder that `keygen` made")
]
SiteFolder = Annotated[Path, typer.Argument(metavar="SITE", help="The folder that is served")]


class Role(StrEnum):
    """Whose key is replaced."""

    ROOT = "root"
    TARGETS = "targets"
    SNAPSHOT = "snapshot"
    TIMESTAMP = "timestamp"


@app.command()
def keygen(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder for the keys")],
    rotate: Annotated[
        Role | None, typer.Option(help="Replace this key, in a folder that there is")
    ] = None,
    passphrase: Annotated[
        bool,
        typer.Option(
            "--passphrase", help=f"Protect new offline keys; asked for, or {PASSPHRASE}'s value"
        ),
    ] = False,
) -> None:
    """Make the keys and the root of trust; nothing is ever overwritten."""
    from btc_ai.releases import roots

    here, keys = current(ctx), _keys(folder)
    secret = _new_passphrase() if passphrase else None
    made = roots.rotate(keys, rotate, secret) if rotate else roots.make_root(keys, secret)
    here.say(f"wrote {keys.root_file(made.signed.version)}, until {made.signed.expires:%Y-%m-%d}")
    if rotate:
        here.say("`btc-ai release sign` and then `publish` put the new key into use")
    else:
        here.say(f"keep {folder / 'offline'} off every machine that is on a network")


@app.command()
def build(
    ctx: typer.Context,
    into: Annotated[Path, typer.Argument(metavar="DIR", help="Where to: DIR/VERSION")],
    *,
    checkout: Annotated[
        Path, typer.Option(metavar="DIR", help="The source, with CHANGELOG.md")
    ] = Path(),
    root: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The root.json to ship with it")
    ] = None,
    wheels: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Take dependencies from here, offline")
    ] = None,
    constraints: Annotated[
        Path | None,
        typer.Option("--constraints", "-c", metavar="FILE", help="Versions of dependencies"),
    ] = None,
    min_from: Annotated[
        str, typer.Option(metavar="V", help="Oldest version it can be installed over (0: any)")
    ] = "0",
) -> None:
    """Build a release for this Python and this kind of machine: all wheels, by hash."""
    from btc_ai.releases.build import Plan
    from btc_ai.releases.build import build as make
    from btc_ai.releases.sign import read_release
    from btc_ai.updates.release import check_version

    try:
        check_version(min_from)
    except ValueError as error:
        raise UsageError(f"--min-from: {error}") from None
    folder = make(Plan(checkout, root, wheels, constraints, min_from), into)
    release = read_release(folder)
    size = sum(one.bytes for one in release.wheels) / (1 << 20)
    here = current(ctx)
    here.say(f"built {folder}: {len(release.wheels)} wheels, {size:,.1f} MiB, {release.python}")
    if root is None:
        here.say("it ships no root of trust: whoever installs it has to set TRUSTED_ROOT")


@app.command()
def sign(
    ctx: typer.Context,
    site: SiteFolder,
    folder: Annotated[
        Path | None, typer.Argument(metavar="[RELEASE]", help="The folder that `build` made")
    ] = None,
    *,
    keys: KeysFolder,
    yank: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Withdraw a release instead")
    ] = None,
) -> None:
    """Sign a release with the offline key, or what there is, anew; nobody is offered it yet."""
    from btc_ai.releases import sign as signing
    from btc_ai.releases.site import Site

    if yank and folder:
        raise UsageError("--yank withdraws a release; it does not go with another to sign")
    there, holder = Site(site), _keys(keys)
    if yank:
        signing.yank(there, holder, yank)
        done = f"signed that {yank} is withdrawn"
    elif folder:
        done = f"signed {signing.add_release(there, holder, folder).version}"
    else:
        signing.renew(there, holder)
        done = "signed what is offered anew"
    current(ctx).say(f"{done}; `btc-ai release publish {site}` offers it")


@app.command()
def publish(ctx: typer.Context, site: SiteFolder, *, keys: KeysFolder) -> None:
    """Offer what was signed, by the online keys; whoever fetches meanwhile finds a whole state."""
    from btc_ai.releases.publish import publish as offer
    from btc_ai.releases.site import Site

    _report(current(ctx), offer(Site(site), _keys(keys)))


@app.command()
def refresh(ctx: typer.Context, site: SiteFolder, *, keys: KeysFolder) -> None:
    """Confirm that what is offered is the newest; run it daily, or the server becomes stale."""
    from btc_ai.releases.publish import refresh as confirm
    from btc_ai.releases.site import Site

    _report(current(ctx), confirm(Site(site), _keys(keys)))


def _report(here: Globals, done: "Published") -> None:
    for warning in done.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    here.say(f"state {done.targets} is offered, confirmed until {done.expires:%Y-%m-%d %H:%M} UTC")


def _keys(folder: Path) -> "Keys":
    from btc_ai.releases.keys import Keys

    return Keys(folder, _passphrase)


def _passphrase(name: str) -> str:
    if secret := os.environ.get(PASSPHRASE):
        return secret
    if not sys.stdin.isatty():
        raise UpdateError(f"{name} is protected: put its passphrase into {PASSPHRASE}")
    return str(typer.prompt(f"Passphrase of {name}", hide_input=True, err=True))


def _new_passphrase() -> str:
    if secret := os.environ.get(PASSPHRASE):
        return secret
    if not sys.stdin.isatty():
        raise UpdateError(f"there is no terminal to ask for a passphrase: put it into {PASSPHRASE}")
    return str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True))
