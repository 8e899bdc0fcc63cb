"""A publisher with real keys, its published folder, and a real HTTP server for it."""

import hashlib
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from btc_ai.config import UpdateSystem
from btc_ai.durable import write_durably
from btc_ai.releases.keys import Keys
from btc_ai.releases.publish import publish
from btc_ai.releases.roots import make_root
from btc_ai.releases.sign import DESCRIPTION, add_release
from btc_ai.releases.site import Site
from btc_ai.updates.download import answer
from btc_ai.updates.layout import Layout
from btc_ai.updates.offer import Offer, request
from btc_ai.updates.release import Release, Wheel

Act = Callable[["Handler"], bool]
"""Answers a request in another way than by the file; False: as usual."""


def make_wheel(
    folder: Path, name: str, version: str, content: bytes = b"", needs: str = ""
) -> Path:
    """A wheel that pip takes; of the same content, the same to the byte."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    about += f"Requires-Dist: {needs}\n" if needs else ""
    info = f"{name}-{version}.dist-info"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in (
            (f"{name}.bin", content),
            (f"{info}/METADATA", about),
            (f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n"),
            (f"{info}/RECORD", ""),
        ):
            archive.writestr(zipfile.ZipInfo(file), text)  # dated 1980, not now
    return path


def no_passphrase(name: str) -> str:
    raise AssertionError(f"nobody protected {name}")


@dataclass
class Publisher:
    """Keys and a site under one folder; a copy of the folder is another of the same keys."""

    folder: Path

    @property
    def keys(self) -> Keys:
        return Keys(self.folder / "keys", no_passphrase)

    @property
    def site(self) -> Site:
        return Site(self.folder / "site")

    @property
    def root(self) -> Path:
        return self.folder / "keys" / "1.root.json"

    def file(self, pattern: str) -> Path:
        """The one file of the site that matches."""
        (found,) = (self.folder / "site").glob(pattern)
        return found

    def release(self, version: str, wheels: dict[str, bytes], **about: Any) -> Release:
        """Build (by hand), sign and publish a release of these wheels, by their content."""
        folder = self.folder / "built" / version
        paths = [make_wheel(folder / "wheels", n, "1.0", body) for n, body in wheels.items()]
        made = tuple(wheel_of(path) for path in paths)
        release = Release(
            version=version, released="2026-11-01", min_from=about.get("min_from", "0"),
            python=about.get("python", ">=3.11"), state={"journal": 1}, wheels=made,
            changelog=about.get("changelog", f"- What {version} brings.\n"),
        )  # fmt: skip
        write_durably(folder / DESCRIPTION, release.encode())
        add_release(self.site, self.keys, folder)
        publish(self.site, self.keys)
        return release


def wheel_of(path: Path) -> Wheel:
    content = path.read_bytes()
    return Wheel(path.name, hashlib.sha256(content).hexdigest(), len(content))


def new_publisher(folder: Path) -> Publisher:
    """One with keys, and nothing published."""
    made = Publisher(folder)
    make_root(made.keys, None)
    return made


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, unless its server's `act` does something else."""

    server: "_Server"

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if not self.server.act(self):
            super().do_GET()

    def date_time_string(self, timestamp: float | None = None) -> str:
        return self.server.date or super().date_time_string(timestamp)

    def log_message(self, *_: Any) -> None:
        """Be silent."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    act: Act
    asked: list[str]
    date: str = ""

    def handle_error(self, *_: Any) -> None:
        """A client that went away is what tests are about."""


@dataclass
class Served:
    """A served site, and a machine that updates from it."""

    publisher: Publisher
    server: _Server
    layout: Layout
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Trust it."""
        self.settings = {
            "UPDATE_SERVER": f"http://127.0.0.1:{self.server.server_port}",
            "TRUSTED_ROOT": str(self.publisher.root),
        }

    def ask(self, *, fetch: bool = False, **options: Any) -> Offer:
        """Ask as the child process does, in this one."""
        settings = UpdateSystem.model_validate(self.settings)
        return answer(request(settings, self.layout, fetch=fetch, **options), lambda _: None)

    def kept(self) -> list[str]:
        """The files in the store, and what is staged."""
        found = [*(self.layout.root / "store").rglob("*"), *self.layout.staged.glob("*")]
        return sorted(one.name for one in found if one.is_file())


@contextmanager
def serving(publisher: Publisher, layout: Layout) -> Iterator[Served]:
    """Serve it on a free port of this machine."""
    handler = partial(Handler, directory=str(publisher.folder / "site"))
    with _Server(("127.0.0.1", 0), handler) as server:
        server.act, server.asked = lambda _: False, []
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield Served(publisher, server, layout)
        finally:
            server.shutdown()
            thread.join()
