"""Makes a release slot: an environment at its final path, from verified wheels, without a network.

uv unpacks each wheel once into the store's cache and makes hard links from there: a second release
costs what is new in it.
"""

import importlib.metadata
import os
import shutil
import subprocess
import sys
from pathlib import Path

from packaging.utils import canonicalize_name, parse_wheel_filename

from btc_ai.durable import sync_directory, write_durably
from btc_ai.errors import BtcAiError, UpdateError
from btc_ai.lock import Lock
from btc_ai.updates import slotctl
from btc_ai.updates.layout import Layout
from btc_ai.updates.release import Release, decode_release

RELEASE = "release.json"
"""In a slot: what it was made from."""
LIMIT_S = 600.0
SPACE_FACTOR = 4
"""Wheels are compressed; so much of their size has to be free."""
KEPT = 3


def build(layout: Layout, release: Release) -> Path:
    """The slot of a release, made where it is not there yet, whole or not at all.

    Plugins that were installed into the current slot come along. Raises UpdateError where a wheel
    is missing or not what it should be, or where there is no room.
    """
    slot = layout.releases / release.version
    if slotctl.Controller(layout.root).is_slot(release.version):
        return slot
    shutil.rmtree(slot, ignore_errors=True)
    _require_space(layout, release)
    try:
        slot.mkdir(parents=True)
        write_durably(slot / slotctl.BUILDING, b"")
        _install(layout, release, slot)
        _carry_plugins(layout, release, slot)
        write_durably(slot / RELEASE, release.encode())
        install_controller(layout)
        os.sync()  # some ten thousand files, before anything says that they are there
        (slot / slotctl.BUILDING).unlink()
        sync_directory(slot)
    except OSError as error:
        raise UpdateError(f"{slot} cannot be made: {error.strerror or error}") from None
    finally:
        if (slot / slotctl.BUILDING).exists():
            shutil.rmtree(slot, ignore_errors=True)
    return slot


def install_controller(layout: Layout) -> None:
    """Put `slotctl` where no release can break it; it runs with the base Python."""
    code = Path(slotctl.__file__).read_text(encoding="utf-8")
    draft = layout.controller.with_name(".slotctl")
    draft.unlink(missing_ok=True)
    write_durably(draft, f"#!{base_python()} -I\n{code}".encode())
    draft.chmod(0o755)
    draft.replace(layout.controller)
    sync_directory(layout.root)


def prune(layout: Layout) -> list[str]:
    """Remove all but three releases: the current one, the one before, and the newest besides.

    Wheels that none of them needs go too. Returns the versions removed.
    """
    controller = slotctl.Controller(layout.root)
    current, pending = controller.current(), controller.pending()
    before = [one["from"] for one in reversed(controller.history()) if one["to"] == current][:1]
    needed = [current, *([pending["from"]] if pending else []), *before]
    slots = sorted(
        (one for one in layout.releases.iterdir() if one.name not in needed),
        key=lambda one: one.stat().st_mtime, reverse=True,
    )  # fmt: skip
    removed = slots[max(0, KEPT - len(set(needed) - {None})) :]
    for slot in removed:
        (slot / slotctl.BUILDING).touch()
        shutil.rmtree(slot, ignore_errors=True)
    _prune_wheels(layout)
    return [one.name for one in removed]


def slot_release(slot: Path) -> Release | None:
    """What a slot was made from; None where it does not say."""
    try:
        return decode_release((slot / RELEASE).read_bytes())
    except (OSError, UpdateError):
        return None


def slot_python(slot: Path) -> Path:
    """A slot's Python."""
    return slot / "bin" / "python"


def base_python() -> str:
    """The Python that environments are made of: that of the system, not of this environment."""
    return getattr(sys, "_base_executable", sys.executable)


def _require_space(layout: Layout, release: Release) -> None:
    for wheel in release.wheels:
        if not layout.wheel(wheel).is_file():
            raise UpdateError(
                f"the wheel {wheel.filename} is not in {layout.wheels}; "
                f"download it with `btc-ai update download --version {release.version}`"
            )
    layout.cache.mkdir(parents=True, exist_ok=True)
    new = [one for one in release.wheels if not (layout.cache / "seen" / one.sha256).exists()]
    needed = SPACE_FACTOR * sum(one.bytes for one in new)
    free = shutil.disk_usage(layout.root).free
    if free < needed:
        raise UpdateError(
            f"{layout.root} has {free >> 20:,} MiB free, and {needed >> 20:,} MiB are needed; "
            "make space and try again"
        )


def _install(layout: Layout, release: Release, slot: Path) -> None:
    _uv(layout, "venv", "--allow-existing", "--no-python-downloads",
        "--python", base_python(), str(slot))  # fmt: skip
    lines = [f"{layout.wheel(one)} --hash=sha256:{one.sha256}" for one in release.wheels]
    requirements = slot / "requirements.txt"
    requirements.write_text("\n".join(lines) + "\n", encoding="utf-8")
    _uv(layout, "pip", "install", "--python", str(slot_python(slot)), "--no-index", "--no-deps",
        "--require-hashes", "--link-mode", "hardlink",
        "--requirements", str(requirements))  # fmt: skip
    seen = layout.cache / "seen"
    seen.mkdir(exist_ok=True)
    for wheel in release.wheels:
        (seen / wheel.sha256).touch()


def _uv(layout: Layout, *arguments: str) -> None:
    import uv

    command = [
        uv.find_uv_bin(),
        "--offline",
        "--no-config",
        "--cache-dir",
        str(layout.cache),
        *arguments,
    ]
    kept = ("HOME", "PATH", "TMPDIR", "LANG", "LC_ALL")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=LIMIT_S
        )
    except subprocess.TimeoutExpired:
        raise UpdateError(f"the release could not be unpacked within {LIMIT_S:g} s") from None
    if done.returncode:
        said = " ".join(done.stderr.split())[-800:]
        raise UpdateError(f"the release could not be unpacked: {said}")


def _carry_plugins(layout: Layout, release: Release, slot: Path) -> None:
    """Hard-link what was installed into the current slot beside the release: plugins."""
    old = layout.current.resolve()
    before = slot_release(old) if layout.current.exists() else None
    if before is None:
        return
    ours = {_project(wheel.filename) for one in (before, release) for wheel in one.wheels}
    source, target = _site_packages(old), _site_packages(slot)
    for one in importlib.metadata.distributions(path=[str(source)]):
        if canonicalize_name(one.name) in ours:
            continue
        for file in one.files or ():
            path, place = source / file, target / file
            if ".." not in file.parts and "__pycache__" not in file.parts and path.is_file():
                place.parent.mkdir(parents=True, exist_ok=True)
                os.link(path, place)


def _project(filename: str) -> str:
    return str(parse_wheel_filename(filename)[0])


def _site_packages(slot: Path) -> Path:
    return (
        slot / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    )


def _prune_wheels(layout: Layout) -> None:
    """Remove what no release needs; not while a download puts wheels there."""
    try:
        lock = Lock(layout.download_lock, "the store")
    except BtcAiError:
        return
    try:
        known = [slot_release(slot) for slot in layout.releases.iterdir()]
        known += [decode_release(file.read_bytes()) for file in layout.staged.glob("*.json")]
        needed = {wheel.sha256 for one in known if one for wheel in one.wheels}
        for folder in layout.wheels.iterdir():
            if folder.name not in needed:
                shutil.rmtree(folder, ignore_errors=True)
    finally:
        lock.release()


def staged(layout: Layout, version: str) -> Release:
    """A release that was downloaded. Raises UpdateError where it was not."""
    try:
        return decode_release((layout.staged / f"{version}.json").read_bytes())
    except FileNotFoundError:
        raise UpdateError(
            f"release {version} has not been downloaded; "
            f"`btc-ai update download --version {version}` does that"
        ) from None
    except OSError as error:
        raise UpdateError(f"cannot read {layout.staged}: {error.strerror}") from None
