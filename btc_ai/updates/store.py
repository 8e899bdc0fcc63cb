"""The store of wheels: each once, under its hash; whole and verified, or not there."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path

from btc_ai.durable import replace_durably, sync_directory
from btc_ai.errors import UpdateError
from btc_ai.updates.layout import Layout
from btc_ai.updates.release import Release, Wheel

SPARE_BYTES = 64 << 20
_DRAFT = ".draft-"


def missing(layout: Layout, release: Release) -> list[Wheel]:
    """The wheels that the store lacks; one that was damaged there is removed."""
    lacking = []
    for wheel in release.wheels:
        path = layout.wheel(wheel)
        if path.is_file() and not _is_whole(path, wheel):
            path.unlink()
        if not path.is_file():
            lacking.append(wheel)
    return lacking


@contextmanager
def draft(layout: Layout, wheel: Wheel) -> Iterator[Path]:
    """Where to write a wheel; at the end it is in the store, or, if that raises, nowhere.

    Raises UpdateError where the disk will not take it.
    """
    place = layout.wheel(wheel)
    path = layout.wheels / f"{_DRAFT}{wheel.sha256}"
    try:
        yield path
        with path.open("rb") as file:
            os.fsync(file.fileno())
        place.parent.mkdir(exist_ok=True)
        path.rename(place)
        sync_directory(place.parent)
        sync_directory(layout.wheels)
    except OSError as error:
        raise _unwritable(layout, error) from None
    finally:
        path.unlink(missing_ok=True)


def prepare(layout: Layout, wheels: list[Wheel]) -> None:
    """Make the store, without what an interrupted download left, and see that there is space.

    Raises UpdateError where there is not.
    """
    needed = sum(one.bytes for one in wheels) + SPARE_BYTES
    try:
        layout.wheels.mkdir(parents=True, exist_ok=True)
        for left in layout.wheels.glob(f"{_DRAFT}*"):
            left.unlink()
        free = shutil.disk_usage(layout.wheels).free
    except OSError as error:
        raise _unwritable(layout, error) from None
    if wheels and free < needed:
        raise UpdateError(
            f"{layout.root} has {free >> 20:,} MiB free, and the update needs {needed >> 20:,} "
            "MiB; make space"
        )


def stage(layout: Layout, release: Release) -> None:
    """Note that all wheels of a release are in the store. Raises UpdateError."""
    try:
        layout.staged.mkdir(parents=True, exist_ok=True)
        replace_durably(layout.staged / f"{release.version}.json", release.encode())
    except OSError as error:
        raise _unwritable(layout, error) from None


def _is_whole(path: Path, wheel: Wheel) -> bool:
    if path.stat().st_size != wheel.bytes:
        return False
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest() == wheel.sha256


def _unwritable(layout: Layout, error: OSError) -> UpdateError:
    return UpdateError(
        f"cannot write to {layout.root}: {error.strerror}; make space, or run this as a user who "
        "may write there"
    )
