import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

GOOD = """
import sys
from btc_ai.api import hookimpl
from pydantic import BaseModel
from btc_ai.api.service import Command

class Empty(BaseModel):
    pass

class Service:
    def __init__(self, context):
        self.context, self.events = context, []

    def commands(self):
        return [Command("{name}.ask", Empty, self.ask)]

    async def ask(self, body, call):
        return {{"answer": "{name}"}}

    async def start(self):
        self.events.append("start")

    async def stop(self):
        self.events.append("stop")

    def status(self):
        return {{"mood": "well"}}

@hookimpl
def btc_ai_service(context):
    return Service(context)

plugin = sys.modules[__name__]
"""


@dataclass
class Site:
    """A folder on sys.path into which plugins are installed as real distributions."""

    folder: Path

    def install(
        self, name: str, code: str | None = None, *, manifest: Any = None, entry: str | None = None,
        inner: str | None = None,
    ) -> str:  # fmt: skip
        """Install a plugin; `manifest` False leaves it out, text stands as it is."""
        package = f"plugin_{name.replace('-', '_')}"
        home = self.folder / package
        home.mkdir()
        (home / "__init__.py").write_text(GOOD.format(name=name) if code is None else code)
        if inner is not None:
            (home / "inner.py").write_text(inner)
        if manifest is not False:
            usual = {"name": name, "version": "1.2", "api": ">=1,<2", "description": "A test"}
            made = manifest if isinstance(manifest, str) else json.dumps(usual | (manifest or {}))
            (home / "btc_ai_plugin.json").write_text(made)
        info = self.folder / f"{package}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
        value = f"{package}:plugin" if entry is None else entry
        (info / "entry_points.txt").write_text(f"[btc_ai.plugins]\n{name} = {value}\n")
        importlib.invalidate_caches()
        return package


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield Site(folder)
    for module in [one for one in sys.modules if one.startswith("plugin_")]:
        del sys.modules[module]
