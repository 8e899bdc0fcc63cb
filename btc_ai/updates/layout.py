"""Where updates keep what: release slots, the store of wheels, and what has been done.

ROOT/releases/0.2.0/        a slot: an environment of its own, at its final path
ROOT/current -> releases/0.2.0
ROOT/slotctl                tries a release, or goes back (`btc_ai.updates.slotctl`)
ROOT/store/wheels/SHA256/NAME.whl      every wheel once, whatever releases need it
ROOT/store/cache/           wheels unpacked: slots are hard links to these files
ROOT/staged/0.3.0.json      a release whose wheels are all in the store, verified
ROOT/state/                 pending.json, bad.json, history.jsonl, journal.json, lock
ROOT/trust/                 the update server's metadata, as last verified

Who may not write to ROOT, as the service, has a desk elsewhere, with `trust/` and the last check.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from btc_ai.paths import user_data
from btc_ai.updates.release import Wheel


@dataclass(frozen=True)
class Layout:
    """The folders under one root. desk: for who asks the server, and may not write to `root`."""

    root: Path
    desk: Path | None = None

    @property
    def releases(self) -> Path:
        """The slots."""
        return self.root / "releases"

    @property
    def current(self) -> Path:
        """A link to the slot that runs."""
        return self.root / "current"

    @property
    def wheels(self) -> Path:
        """The store."""
        return self.root / "store" / "wheels"

    @property
    def cache(self) -> Path:
        """Wheels unpacked."""
        return self.root / "store" / "cache"

    @property
    def staged(self) -> Path:
        """Releases that can be installed without the network."""
        return self.root / "staged"

    @property
    def state(self) -> Path:
        """What is being done and what was."""
        return self.root / "state"

    @property
    def download_lock(self) -> Path:
        """Held while wheels are put into the store, or removed from it."""
        return self._asking / "state" / "download.lock"

    @property
    def last_check(self) -> Path:
        """The last answer to the question for the newest release."""
        return self._asking / "state" / "check.json"

    @property
    def trust(self) -> Path:
        """TUF metadata."""
        return self._asking / "trust"

    @property
    def controller(self) -> Path:
        """`slotctl`."""
        return self.root / "slotctl"

    @property
    def _asking(self) -> Path:
        return self.desk or self.root

    def wheel(self, wheel: Wheel) -> Path:
        """Where a wheel is kept."""
        return self.wheels / wheel.sha256 / wheel.filename


def own_layout() -> tuple[Layout, bool]:
    """Where this installation keeps updates, and whether it runs from a release slot.

    One that pip made cannot be changed by updates; what they download lies in the user's data.
    """
    prefix = Path(sys.prefix).resolve()
    root = prefix.parent.parent
    if prefix.parent.name == "releases" and Layout(root).controller.is_file():
        own = os.access(root, os.W_OK)
        return Layout(root, None if own else user_data() / "updates"), True
    return Layout(user_data() / "updates"), False
