"""Releases of BTC-AI's real wheel, as `btc-ai release build` makes them, to be signed."""

from collections.abc import Mapping
from pathlib import Path

from btc_ai.durable import write_durably
from btc_ai.releases.sign import DESCRIPTION
from btc_ai.updates.release import Release
from tests.updates.network.publishing import Publisher, wheel_of
from tests.updates.slots import Edit, as_version


def build(
    wheel: Path, shim: Path, publisher: Publisher, version: str,
    edits: Mapping[str, Edit] | None = None,
) -> Path:  # fmt: skip
    """The wheels of a version, and what they are, in a folder of the publisher."""
    folder = publisher.folder / "built" / version
    (folder / "wheels").mkdir(parents=True)
    own = as_version(wheel, version, folder / "wheels", edits)
    rest = folder / "wheels" / shim.name
    rest.write_bytes(shim.read_bytes())
    release = Release(
        version, "2026-11-01", "0.1.0", ">=3.11", {}, f"- What {version} brings.\n",
        (wheel_of(own), wheel_of(rest)),
    )  # fmt: skip
    write_durably(folder / DESCRIPTION, release.encode())
    return folder
