"""Is the program itself whole?"""

import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

from btc_ai import __version__
from btc_ai.cli.doctor.findings import Finding, Look, ok, warning, wrong

NAME = "btc-ai"


def python(look: Look) -> Iterator[Finding]:
    """The version of Python is one that the program is made for."""
    from packaging.specifiers import SpecifierSet

    found = platform.python_version()
    wanted = metadata(NAME)["Requires-Python"]
    if found in SpecifierSet(wanted):
        yield ok(f"{NAME} {__version__} on Python {found}", sys.executable)
    else:
        todo = "make a new virtual environment with another Python"
        yield wrong(f"Python {found} is not {wanted}", sys.executable, todo=todo)


def dependencies(look: Look) -> Iterator[Finding]:
    """Every package that the program needs is there, in a version that it knows."""
    from packaging.requirements import Requirement

    wanted = [Requirement(line) for line in requires(NAME) or ()]
    wanted = [one for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    todo = f"pip install -c constraints.txt {NAME}"
    sound = True
    for one in wanted:
        try:
            found = version(one.name)
        except PackageNotFoundError:
            yield wrong(f"{one.name} is not installed", todo=todo)
            sound = False
            continue
        if not one.specifier.contains(found, prereleases=True):
            yield wrong(f"{one.name} {found} is not {one.specifier}", todo=todo)
            sound = False
    if sound:
        yield ok(f"{len(wanted)} packages, each in a version that it knows")


def console_script(look: Look) -> Iterator[Finding]:
    """`btc-ai` is on PATH, and is this one."""
    found, own = shutil.which(NAME), Path(sys.prefix) / "bin" / NAME
    if found is None:
        yield warning(f"{NAME} is not on PATH", own, todo=f"put {own.parent} onto PATH")
    elif Path(found).resolve() != own.resolve():
        todo = f"put {own.parent} before it on PATH, or remove the other"
        yield warning(f"another {NAME} is on PATH", found, todo=todo)
    else:
        yield ok(f"{NAME} is on PATH", found)
