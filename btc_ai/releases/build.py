"""Builds a release out of a checkout: its wheel and those of all dependencies, by hash."""

import ast
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.parser import BytesParser
from hashlib import file_digest
from pathlib import Path

from packaging.utils import parse_wheel_filename

from btc_ai.durable import write_durably
from btc_ai.errors import UpdateError
from btc_ai.releases.sign import DESCRIPTION
from btc_ai.updates.release import Release, Wheel

ROOT_VARIABLE = "BTC_AI_ROOT_OF_TRUST"
"""Tells the build hook (`hatch_build.py`) which root to ship."""
_MIGRATION = re.compile(r"btc_ai/history/migrations/versions/(\d+)_\w+\.py")
_SECTION = re.compile(r"^## \[(?P<version>[^\]]+)\](?: - (?P<date>\d{4}-\d\d-\d\d))?.*$", re.M)


@dataclass(frozen=True)
class Plan:
    """What to build. root: the root of trust to ship. wheels: take dependencies from there alone.

    constraints: the versions of dependencies. min_from: the oldest version it can be installed
    over.
    """

    checkout: Path
    root: Path | None = None
    wheels: Path | None = None
    constraints: Path | None = None
    min_from: str = "0"


def build(plan: Plan, into: Path) -> Path:
    """Build it and return its folder, `into/VERSION`. Raises UpdateError; then there is none."""
    try:
        into.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=into, prefix=".draft-") as scratch:
            own = _own_wheel(plan, Path(scratch).resolve())
            version = str(parse_wheel_filename(own.name)[1])
            folder, draft = into / version, Path(scratch).resolve() / "release"
            if folder.exists():
                raise UpdateError(f"{folder} is there already; remove it, or raise the version")
            text = (plan.checkout / "CHANGELOG.md").read_text(encoding="utf-8")
            news = changelog_of(text, version)
            _collect(plan, own, draft / "wheels")
            release = _describe(plan, version, news, own, draft / "wheels")
            write_durably(draft / DESCRIPTION, release.encode())
            draft.rename(folder)
    except OSError as error:
        raise UpdateError(f"cannot build into {into}: {error}") from None
    return folder


def changelog_of(text: str, version: str) -> tuple[str, str | None]:
    """What CHANGELOG.md says of a version, and its date. Raises UpdateError where it is silent."""
    sections = list(_SECTION.finditer(text))
    for number, found in enumerate(sections):
        if found["version"] == version:
            end = sections[number + 1].start() if number + 1 < len(sections) else len(text)
            return text[found.end() : end].strip() + "\n", found["date"]
    raise UpdateError(
        f"CHANGELOG.md has no section `## [{version}]`; write what is new before it is released"
    )


def _own_wheel(plan: Plan, scratch: Path) -> Path:
    """Build the checkout's wheel with the build tools that developers have installed."""
    root = {ROOT_VARIABLE: str(plan.root.resolve())} if plan.root else {}
    _run(["hatchling", "build", "-t", "wheel", "-d", str(scratch / "own")], plan.checkout, root)
    return next((scratch / "own").glob("*.whl"))


def _collect(plan: Plan, own: Path, into: Path) -> None:
    """Everything that the wheel depends on, and itself."""
    arguments = ["pip", "download", "--only-binary", ":all:", "-d", str(into)]
    variables = {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    if plan.wheels is not None:  # and from nowhere that pip's own settings name
        arguments += ["--isolated", "--no-index", "--find-links", str(plan.wheels.resolve())]
        variables["PIP_CONFIG_FILE"] = os.devnull
    if plan.constraints is not None:
        arguments += ["-c", str(plan.constraints.resolve())]
    _run([*arguments, str(own)], plan.checkout, variables)


def _run(arguments: list[str], folder: Path, variables: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder, env=os.environ | variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-12:]
        raise UpdateError("\n  ".join([f"{arguments[0]} failed:", *said]))


def _describe(
    plan: Plan, version: str, news: tuple[str, str | None], own: Path, wheels: Path
) -> Release:
    changelog, released = news
    with zipfile.ZipFile(own) as archive:
        state, requires_python = _state(archive), _requires_python(archive)
    found = tuple(_wheel(one) for one in sorted(wheels.glob("*.whl")))
    return Release(
        version, released or f"{datetime.now(UTC):%Y-%m-%d}", plan.min_from,
        _python(requires_python, found), state, changelog, found,
    )  # fmt: skip


def _state(archive: zipfile.ZipFile) -> dict[str, int]:
    """The newest schemas that the release itself can read."""
    found = {"history": 0, "journal": 0}
    for name in archive.namelist():
        if migration := _MIGRATION.fullmatch(name):
            found["history"] = max(found["history"], int(migration[1]))
    with suppress(KeyError):
        for line in ast.parse(archive.read("btc_ai/journal.py")).body:
            match line:
                case ast.Assign([ast.Name("SCHEMA_VERSION")], ast.Constant(int(number))):
                    found["journal"] = number
    return found


def _requires_python(archive: zipfile.ZipFile) -> str:
    name = next(one for one in archive.namelist() if one.endswith(".dist-info/METADATA"))
    return BytesParser().parsebytes(archive.read(name))["Requires-Python"] or ""


def _python(wanted: str, wheels: tuple[Wheel, ...]) -> str:
    """Where wheels are for one Python alone, that one."""
    bound = any(
        tag.interpreter.startswith("cp") and tag.abi.startswith("cp")
        for one in wheels
        for tag in parse_wheel_filename(one.filename)[3]
    )
    major, minor = sys.version_info[:2]
    return ",".join(filter(None, [wanted, f"=={major}.{minor}.*" if bound else ""]))


def _wheel(path: Path) -> Wheel:
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    return Wheel(path.name, digest, path.stat().st_size)
