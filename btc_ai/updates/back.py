"""The way back to a release that is still here."""

from collections.abc import Sequence

from btc_ai.errors import UsageError
from btc_ai.updates.handover import installs
from btc_ai.updates.layout import Layout
from btc_ai.updates.slotctl import Controller


def versions(layout: Layout) -> Sequence[str]:
    """Whole slots, by when they were made, newest first."""
    controller = Controller(layout.root)
    try:
        found = [one for one in layout.releases.iterdir() if controller.is_slot(one.name)]
    except OSError:
        return ()
    return [one.name for one in sorted(found, key=lambda one: one.stat().st_mtime, reverse=True)]


def to_go_back_to(layout: Layout, version: str | None) -> str:
    """The release that was named, or the one before this; it has to be another, there, and good.

    Raises UsageError where it is not.
    """
    controller = Controller(layout.root)
    current, bad = controller.current(), controller.bad()
    if version in bad:
        raise UsageError(
            f"{version} was given up here: {bad[version]['reason']}. To try it again, watched: "
            f"`btc-ai update install --version {version}`"
        )
    others = [one for one in versions(layout) if one != current and one not in bad]
    came = [one["from"] for one in reversed(controller.history()) if one["to"] == current]
    target = version or next((one for one in came if one in others), None)
    if target not in others:
        known = f"here: {', '.join(others)}" if others else "there is no other"
        raise UsageError(
            f"there is no release {target or 'before this one'} to go back to; {known}"
        )
    return str(target)


def end_trial(layout: Layout, target: str) -> bool:
    """Give up the release that is being tried, where `target` is the one before it.

    Who tries it restarts the daemon with that. Returns whether there was one. Raises OSError where
    the releases are another user's.
    """
    controller = Controller(layout.root)
    trial = controller.pending()
    if trial is None or trial["from"] != target or not installs(layout):
        return False
    controller.back("gone back by hand")
    return True
