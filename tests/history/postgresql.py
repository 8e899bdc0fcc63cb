"""A real PostgreSQL for tests: in a folder of its own, on a socket there, ended by its own pid."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

MISSING = (
    "no PostgreSQL server: the tests of HISTORY_URL need its programs; on Debian: "
    "apt-get install postgresql-15"
)
USER = "btc_ai"
PASSWORD = "s3cret-word"
_numbers = count(1)


@dataclass
class Server:
    """A running server; each test has a database of its own there."""

    folder: Path
    binaries: Path
    process: "subprocess.Popen[bytes] | None" = None

    def database(self, template: str = "template0", name: str | None = None) -> str:
        """The URL of a new database, a copy of the template."""
        name = name or f"test_{os.getpid()}_{next(_numbers)}"
        self.execute(f"CREATE DATABASE {name} OWNER {USER} TEMPLATE {template}")
        return f"postgresql://{USER}:{PASSWORD}@/{name}?host={self.folder}"

    def execute(self, statement: str) -> None:
        """Run a statement as the superuser."""
        address = f"postgresql:///postgres?host={self.folder}&user=postgres"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(statement)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = {
            "listen_addresses": "", "unix_socket_directories": str(self.folder), "fsync": "off",
            "shared_buffers": "16MB", "max_connections": "20", "autovacuum": "off",
        }  # fmt: skip
        options = [part for item in settings.items() for part in ("-c", "=".join(item))]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.binaries / "postgres", "-D", self.folder / "data", *options],
                stdout=log, stderr=log, **_unprivileged(),
            )  # fmt: skip
        end = time.monotonic() + 30
        while True:
            try:
                return self.execute("SELECT 1")
            except psycopg.OperationalError:
                said = (self.folder / "log").read_text()
                assert self.process.poll() is None and time.monotonic() < end, said
                time.sleep(0.05)

    def stop(self) -> None:
        """End it, and every connection with it."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)  # it writes nothing more
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None


@contextmanager
def running_server() -> Iterator[Server]:
    """A server that ends with the block; skips the test where there are no programs for one."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip(MISSING)
    folder = Path(tempfile.mkdtemp(prefix="btc-ai-pg-", dir="/tmp"))
    server = Server(folder, binaries)
    try:
        if user := _unprivileged().get("user"):
            os.chown(folder, user, -1)
        subprocess.run(
            [binaries / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust",
             "-E", "UTF8", "--locale=C", "--no-sync"],
            check=True, stdout=subprocess.DEVNULL, cwd="/", **_unprivileged(),
        )  # fmt: skip
        server.start()
        server.execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'")
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path | None:
    """The newest of Debian's, else those on the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def _unprivileged() -> dict[str, Any]:
    """PostgreSQL does not run as root."""
    if os.getuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
