"""The slot controller: tries a new release, and goes back to the old one where it does not stay up.

A copy of this file, `ROOT/slotctl`, lies outside any release and needs the standard library alone,
so that it works whatever a release is like:

    slotctl attempt     before each start of the daemon: counts a try of a pending release, and goes
                        back where none is left. It never keeps the daemon from starting.
    slotctl good        the pending release has proved itself
    slotctl back WHY    go back to the release before the pending one, now
    slotctl wanted      exit code 0 where an installation is ordered and not over
    slotctl status      what runs, what is pending, what was gone back from

Order, for a power cut at any moment: `pending.json` is on disk before `current` is flipped, and a
release is on disk as bad before `current` is flipped back.
"""

import contextlib
import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

TRIES = 2
"""Starts that a pending release has."""
BUILDING = ".building"
"""In a slot that is not whole."""

READABLE = 0o644
"""The mode of files: the service's user reads what root writes, under the umask of its unit."""

Body = dict[str, Any]


class SlotError(Exception):
    """What cannot be done with the slots, in words."""


class Controller:
    """The slots under one root. Every change is durable before the next begins."""

    def __init__(self, root: Path) -> None:
        """root: the folder that holds `releases`, `current` and `state`."""
        self.root, self.releases, self.state = root, root / "releases", root / "state"

    def current(self) -> str | None:
        """The version that `current` leads to."""
        try:
            return (self.root / "current").readlink().name
        except OSError:
            return None

    def is_slot(self, version: object) -> bool:
        """Whether there is a whole slot of that name."""
        if not isinstance(version, str) or not version or "/" in version or version[0] == ".":
            return False
        slot = self.releases / version
        return slot.is_dir() and not (slot / BUILDING).exists()

    def pending(self) -> Body | None:
        """The release on trial: `from`, `to`, `tries` left, `began`, `plugins` it has to have."""
        found = self._read("pending.json")
        if found and isinstance(found.get("tries"), int) and self.is_slot(found.get("to")):
            return found
        return None

    def bad(self) -> Body:
        """Versions that were gone back from, each with `time` and `reason`."""
        return self._read("bad.json") or {}

    def history(self) -> list[Body]:
        """All that was done, oldest first; lines that are torn are left out."""
        found = []
        with contextlib.suppress(OSError), (self.state / "history.jsonl").open("rb") as file:
            for line in file:
                with contextlib.suppress(ValueError):
                    found.append(json.loads(line))
        return found

    def begin(self, version: str, plugins: Sequence[str] = ()) -> None:
        """Put a release on trial and make it current. plugins: those that have to be ready."""
        with self._locked():
            self._check(version)
            before, now = self.current(), time.time()
            trial = {"from": before, "to": version, "tries": TRIES, "began": now}
            self._write("pending.json", {**trial, "plugins": list(plugins)})
            self._flip(version)
            self._record("tried", before, version)

    def flip(self, version: str) -> None:
        """Make a release current without a trial: the first one, or one that was good before."""
        with self._locked():
            self._check(version)
            before = self.current()
            self._remove("pending.json")
            self._flip(version)
            self._record("made current", before, version)

    def attempt(self, reason: str = "it did not stay up") -> str:
        """Count a try; go back where none is left. Returns what was done, in words, or ""."""
        with self._locked():
            pending = self.pending()
            if pending is None:
                self._remove("pending.json")
                return ""
            if self.current() != pending["to"]:
                self._remove("pending.json")
                return f"the update to {pending['to']} was not begun"
            if pending["tries"] <= 0:
                return self._back(pending, reason)
            try:
                self._write("pending.json", {**pending, "tries": pending["tries"] - 1})
            except OSError as error:  # a release is not tried for ever because none can be counted
                why = f"its starts cannot be counted ({error.strerror}): mend that, and try again"
                return self._back(pending, why, at_fault=False)
            return f"trying {pending['to']}"

    def good(self, version: str | None = None) -> bool:
        """The pending release has proved itself. Returns whether there was one."""
        with self._locked():
            pending = self.pending()
            if pending is None or version not in (None, pending["to"]):
                return False
            self._record("good", pending["from"], pending["to"])
            self._remove("pending.json")
            return True

    def back(self, reason: str) -> str:
        """Go back from the pending release now. Returns what was done, in words, or ""."""
        with self._locked():
            pending = self.pending()
            return "" if pending is None else self._back(pending, reason)

    def wanted(self) -> bool:
        """Whether an installation was ordered that has not come to its end."""
        order, progress = self._read("order.json"), self._read("journal.json")
        if order is None:
            return False
        return progress is None or progress.get("order") != order or progress.get("outcome") is None

    def why_back(self, version: str, since: float) -> str:
        """Why a release was gone back from, as was written down since a time; "": it was not."""
        found = [one for one in self.history() if one["time"] >= since]
        return next(
            (
                str(one["reason"])
                for one in reversed(found)
                if (one["what"], one["from"]) == ("gone back", version)
            ),
            "",
        )

    def forget_bad(self, version: str) -> None:
        """Let a version be tried again."""
        with self._locked():
            self._write("bad.json", {k: v for k, v in self.bad().items() if k != version})

    def _back(self, pending: Body, reason: str, *, at_fault: bool = True) -> str:
        """at_fault: the release is; it is not offered again."""
        wrong, target = pending["to"], self._target(pending)
        if target is None:
            self._record("kept", wrong, wrong, f"{reason}, but there is nothing to go back to")
            self._remove("pending.json")
            return f"{wrong}: {reason}, but there is no release to go back to"
        bad = {**self.bad(), wrong: {"time": time.time(), "reason": reason}}
        with contextlib.suppress(OSError):  # to go back matters more, also where the disk is full
            if at_fault:
                self._write("bad.json", bad)
        self._record("gone back", wrong, target, reason)
        self._flip(target)
        self._remove("pending.json")
        return f"back to {target}: {wrong} was given up, {reason}"

    def _target(self, pending: Body) -> str | None:
        """The release before, or else the newest slot that is not known to be bad."""
        before = pending.get("from")
        if before != pending["to"] and self.is_slot(before):
            return str(before)
        known = {pending["to"], *self.bad()}
        others = [
            one
            for one in self.releases.iterdir()
            if one.name not in known and self.is_slot(one.name)
        ]
        return max(others, key=lambda one: one.stat().st_mtime).name if others else None

    def _check(self, version: str) -> None:
        if not self.is_slot(version):
            raise SlotError(f"there is no release {version} in {self.releases}")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One at a time."""
        self.state.mkdir(parents=True, exist_ok=True)
        with (self.state / "slots.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _flip(self, version: str) -> None:
        """Rename another link over `current`: whoever opens it finds the one or the other."""
        draft = self.root / f".current.{os.getpid()}"
        draft.unlink(missing_ok=True)
        draft.symlink_to(Path("releases", version))
        draft.replace(self.root / "current")
        _sync(self.root)

    def _record(self, what: str, before: str | None, after: str, reason: str = "") -> None:
        line = {"time": time.time(), "what": what, "from": before, "to": after, "reason": reason}
        with contextlib.suppress(OSError), (self.state / "history.jsonl").open("ab") as file:
            os.fchmod(file.fileno(), READABLE)
            file.write(json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def _read(self, name: str) -> Body | None:
        """The JSON object in a file of `state`; None where there is none that can be read."""
        try:
            found = json.loads((self.state / name).read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def _write(self, name: str, value: Body) -> None:
        draft = self.state / f"{name}.draft"
        with draft.open("wb") as file:
            os.fchmod(file.fileno(), READABLE)
            file.write(json.dumps(value, indent=1).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.state / name)
        _sync(self.state)

    def _remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            (self.state / name).unlink()
            _sync(self.state)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _run(controller: Controller, command: str, words: list[str]) -> str:
    if command == "attempt":
        return controller.attempt()
    if command == "good":
        return "it is good" if controller.good() else "nothing is pending"
    if command == "back":
        return controller.back(" ".join(words) or "by hand") or "nothing is pending"
    if command == "wanted":
        if not controller.wanted():
            raise SlotError("nothing is to be installed")
        return ""
    if command == "status":
        pending, bad = controller.pending(), controller.bad()
        return json.dumps({"current": controller.current(), "pending": pending, "bad": bad})
    raise SlotError("say attempt, good, back WHY, wanted or status")


def main(arguments: list[str], root: Path) -> int:
    """Run one command. `attempt` succeeds whatever happens: the daemon has to start."""
    command, *words = arguments or ["status"]
    try:
        said = _run(Controller(root), command, words)
    except (OSError, SlotError) as error:
        sys.stderr.write(f"slotctl: {error}\n")
        return 0 if command == "attempt" else 1
    sys.stdout.write(f"{said}\n" if said else "")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path(__file__).resolve().parent))
