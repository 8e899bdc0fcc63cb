"""`btc-ai update install` and `rollback`: releases that were downloaded become the running one."""

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from btc_ai.cli.context import Globals
from btc_ai.errors import UpdateError, UsageError

if TYPE_CHECKING:
    from btc_ai.updates.layout import Layout
    from btc_ai.updates.order import Order, Progress

LOOK_S = 0.1
BEGIN_LIMIT_S = 30.0
GONE_S = 10.0
"""Longer than an installation that was killed takes to be taken up again."""


def order_for(
    here: Globals, version: str, *, backup: bool, watch_s: float, by: str = "hand",
    back: bool = False,
) -> "Order":  # fmt: skip
    """What is to be installed for the daemon of this user, or of this machine."""
    from btc_ai.updates import order

    client, status = here.client_if_any(), None
    if client is not None:
        with client:
            status = client.call("daemon.status")
    return order.order_for(
        version, here.runtime, here.config_file, status, backup=backup, watch_s=watch_s, by=by,
        back=back,
    )  # fmt: skip


def install(layout: "Layout", order: "Order", say: "Say") -> "Progress":
    """Install a release and follow that to its end; interrupted, it goes on by itself.

    Raises UpdateError where it was not installed, saying which release runs then.
    """
    from btc_ai.updates.handover import begin, installs
    from btc_ai.updates.order import read_progress

    before = read_progress(layout)
    begin(layout, order)
    said, end, seen = "", time.monotonic() + BEGIN_LIMIT_S, time.monotonic()
    while True:
        progress = read_progress(layout)
        if progress is None or (progress == before) or progress.order != order:
            if time.monotonic() > end:
                raise UpdateError(
                    f"the installation has not begun in {BEGIN_LIMIT_S:g} s; see "
                    f"{layout.state / 'install.log'} or `journalctl -u btc-ai-update`"
                )
        else:
            if progress.outcome not in (None, "good"):
                raise UpdateError(progress.text)
            if progress.text != said:
                said = progress.text
                say(said)
            if progress.outcome == "good":
                return progress
            seen = time.monotonic() if installs(layout) else seen
            if time.monotonic() - seen > GONE_S:
                raise UpdateError(
                    f"the installation ended at `{progress.text}`; see {layout.state} and "
                    "`btc-ai update status`, and do it again"
                )
        time.sleep(LOOK_S)


class Say:
    """Tells of each step."""

    def __init__(self, here: Globals, *, aside: bool) -> None:
        """On stdout, unless --quiet. aside: on stderr; stdout is for JSON."""
        self._quiet, self._stream = here.quiet, sys.stderr if aside else sys.stdout

    def __call__(self, text: str) -> None:
        """One line."""
        if not self._quiet:
            self._stream.write(f"{text}\n")
            self._stream.flush()


def set_up(layout: "Layout", fetch: Callable[[], str], say: Say) -> str:
    """Make an installation in release slots, of the version that `fetch` has brought.

    Returns the version. Raises UsageError where there is an installation already.
    """
    from btc_ai.updates.slotctl import Controller
    from btc_ai.updates.slots import build, staged

    controller = Controller(layout.root)
    if controller.current() is not None:
        raise UsageError(f"{layout.root} holds releases already; run {layout.current}/bin/btc-ai")
    wanted = fetch()
    say(f"making the release slot of {wanted}")
    try:
        build(layout, staged(layout, wanted))
        controller.flip(wanted)
    except OSError as error:
        raise UpdateError(f"{error.filename or layout.root}: {error.strerror}; try sudo") from None
    return wanted


def rollback(here: Globals, layout: "Layout", version: str | None, say: Say) -> str:
    """Make an older release current again, and run it. Returns its version.

    Raises UsageError where there is none, UpdateError where it would not work or does not start.
    """
    from btc_ai.updates.back import end_trial, to_go_back_to

    target = to_go_back_to(layout, version)
    try:
        if end_trial(layout, target):
            say(f"the release on trial is given up; {target} runs again at once")
            return target
    except OSError as error:
        raise UpdateError(f"{layout.root}: {error.strerror}; try sudo") from None
    install(layout, order_for(here, target, backup=True, watch_s=0, back=True), say)
    return target
