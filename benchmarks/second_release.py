"""What a second release costs beside the first: bytes fetched, seconds, and disk."""

import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

from btc_ai.errors import UpdateError
from btc_ai.releases.build import Plan, build
from btc_ai.releases.publish import publish
from btc_ai.releases.sign import DESCRIPTION, add_release
from btc_ai.updates import slots
from btc_ai.updates.checking import problems
from btc_ai.updates.layout import Layout
from btc_ai.updates.release import decode_release
from btc_ai.updates.slotctl import Controller
from tests.updates.network.publishing import Publisher, new_publisher, serving, wheel_of
from tests.updates.slots import as_version

REPOSITORY = Path(__file__).parents[1]
SOURCE = ("btc_ai", "systemd", "pyproject.toml", "hatch_build.py", "README.md", "LICENSE",
          "package.json", "package-lock.json", ".npmrc")  # fmt: skip
FIRST, SECOND = "0.1.0", "0.1.1"
MIB = 1 << 20
FETCHED_MIB, DISK_MIB, SECONDS = 10.0, 200.0, 60.0


def second_release(folder: Path) -> bool:
    """Print what two real releases cost; False where a limit was missed or nothing measured."""
    publisher = new_publisher(folder / "publisher")
    try:
        offer(publisher, folder)
    except UpdateError as error:
        print(f"What a second release costs was not measured: {error}")
        return False
    layout = Layout(folder / "machine")
    config = folder / "btc_ai.json"
    config.write_text('{"MODELS_DIR": "Models"}')
    costs = []
    print("| release | MiB fetched | s to fetch | s to make the slot | s to try it | MiB of disk |")
    print("|---|---|---|---|---|---|")
    with serving(publisher, layout) as served:
        for version in (FIRST, SECOND):
            used, began = disk(layout.root), time.monotonic()
            lacking = served.ask(version=version).lacking
            served.ask(fetch=True, version=version)
            fetched = time.monotonic()
            slots.build(layout, slots.staged(layout, version))
            made = time.monotonic()
            layout.state.mkdir(exist_ok=True)
            found = problems(layout, version, config, (), backup=False)
            assert not found, found
            tried = time.monotonic()
            Controller(layout.root).flip(version)
            grown = (disk(layout.root) - used) / MIB
            costs.append((lacking / MIB, tried - began, grown))
            print(
                f"| {version} | {lacking / MIB:.1f} | {fetched - began:.1f} | {made - fetched:.1f} "
                f"| {tried - made:.1f} | {grown:.0f} |", flush=True,
            )  # fmt: skip
    fetched_mib, seconds, grown = costs[-1]
    print(f"\nThe limits of the second: {FETCHED_MIB:g} MiB, {SECONDS:g} s, {DISK_MIB:g} MiB.")
    return fetched_mib <= FETCHED_MIB and seconds <= SECONDS and grown <= DISK_MIB


def offer(publisher: Publisher, folder: Path) -> None:
    """Publish two releases that differ in BTC-AI's own wheel. Raises UpdateError."""
    checkout = folder / "checkout"
    checkout.mkdir()
    for name in SOURCE:
        path = REPOSITORY / name
        if path.is_dir():
            shutil.copytree(path, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(path, checkout / name)
    (checkout / "CHANGELOG.md").write_text(f"# Changelog\n## [{FIRST}] - 2026-01-01\n- This.\n")
    constraints = REPOSITORY / "constraints.txt"
    first = build(Plan(checkout, publisher.root, constraints=constraints), folder / "built")
    add_release(publisher.site, publisher.keys, first)
    second = folder / "built" / SECOND
    shutil.copytree(first, second, copy_function=os.link)
    (second / DESCRIPTION).unlink()
    own = next((second / "wheels").glob("btc_ai-*.whl"))
    newer = as_version(own, SECOND, second / "wheels")
    own.unlink()
    about = decode_release((first / DESCRIPTION).read_bytes())
    rest = [one for one in about.wheels if one.filename != own.name]
    about = replace(about, version=SECOND, wheels=(wheel_of(newer), *rest))
    (second / DESCRIPTION).write_bytes(about.encode())
    add_release(publisher.site, publisher.keys, second)
    publish(publisher.site, publisher.keys)


def disk(folder: Path) -> int:
    """Bytes that the files of a folder take, hard links once."""
    found: dict[int, int] = {}
    for place, _, names in os.walk(folder):
        for name in names:
            about = os.lstat(Path(place, name))
            found[about.st_ino] = about.st_blocks * 512
    return sum(found.values())
