"""Reports that pages ask for: made in a child process, one after the other; and those there are."""

import asyncio
import json
import re
import secrets
import signal
import sys
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from btc_ai.api.service import Body
from btc_ai.config import Config
from btc_ai.dashboard.errors import ConflictError, NotFoundError
from btc_ai.execution.signals import send_signal
from btc_ai.paths import reports_dir, user_data

Form = Literal["html", "pdf", "json"]

NAME = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]{0,80})\.(html|pdf|json)")
REMEMBERED = 50
WAITING = 5
MOST_LISTED = 200
LIMIT_S = 600.0
_COMMAND = (sys.executable, "-P", "-m", "btc_ai.reports")


@dataclass
class Making:
    """A report that was asked for: `working`, `done` or `failed`, and how far it is, in words."""

    state: Literal["working", "done", "failed"] = "working"
    share: float = 0.0
    text: str = "waiting"
    url: str | None = None


class Reports:
    """The folder of reports, and those in the making."""

    def __init__(self, config: Config, connected: Callable[[], bool]) -> None:
        """connected: whether a daemon is heard; without one the models folder is left as it is."""
        self._config, self._connected = config, connected
        self._asked: OrderedDict[str, Making] = OrderedDict()
        self._one_at_a_time = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def folder(self) -> Path:
        """Where reports are put now: beside the models, or with the user."""
        return self._folders[0]

    @property
    def _folders(self) -> tuple[Path, Path]:
        ours, theirs = user_data() / "reports", reports_dir(self._config.MODELS_DIR)
        return (theirs, ours) if self._connected() else (ours, theirs)

    def make(self, run: str | None, form: Form) -> str:
        """Begin a report of a run (None: the newest); its id. Raises ConflictError for too many."""
        if sum(one.state == "working" for one in self._asked.values()) >= WAITING:
            raise ConflictError(f"{WAITING} reports are being made; wait for one of them")
        name, making = secrets.token_hex(8), Making()
        self._asked[name] = making
        while len(self._asked) > REMEMBERED:
            self._asked.popitem(last=False)
        task = asyncio.create_task(self._work(making, run, form), name=f"report {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return name

    def state(self, name: str) -> Making:
        """How far a report is. Raises NotFoundError."""
        if name not in self._asked:
            raise NotFoundError(f"no report {name[:40]!r} was asked for here")
        return self._asked[name]

    def listed(self) -> list[Body]:
        """The reports in the folder, newest first."""
        found = []
        with suppress(OSError):
            for path in self.folder.iterdir():
                if match := NAME.fullmatch(path.name):
                    status = path.stat()
                    found.append(
                        {"name": path.name, "url": url_of(path.name), "run": match[1],
                         "time": status.st_mtime, "bytes": status.st_size}
                    )  # fmt: skip
        return sorted(found, key=lambda one: -float(one["time"]))[:MOST_LISTED]

    def read(self, name: str) -> bytes:
        """A report, wherever it was put. Raises NotFoundError."""
        for folder in self._folders if NAME.fullmatch(name) else ():
            with suppress(OSError):
                return (folder / name).read_bytes()
        raise NotFoundError(f"there is no report {name[:100]!r} in {self.folder}")

    async def close(self) -> None:
        """End what is being made."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self, making: Making, run: str | None, form: Form) -> None:
        async with self._one_at_a_time:
            try:
                async with asyncio.timeout(LIMIT_S):
                    await self._child(making, run, form)
            except TimeoutError:
                making.text = f"not made within {LIMIT_S:g} s"
            except OSError as error:
                making.text = f"cannot be made: {error.strerror}"
        if making.state != "done":
            making.state = "failed"

    async def _child(self, making: Making, run: str | None, form: Form) -> None:
        """Have a process make it, and listen to what it says."""
        folder = self.folder
        folder.mkdir(parents=True, exist_ok=True)
        asked = {
            "config": self._config.model_dump(mode="json"), "run": run, "form": form,
            "output": str(folder), "read_only": not self._connected(),
        }  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            *_COMMAND, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(json.dumps(asked).encode())
            process.stdin.close()
            making.text = "beginning"
            async for line in process.stdout:
                _note(making, json.loads(line))
            await process.wait()
        finally:
            send_signal(process, signal.SIGKILL)
            await process.wait()
        if making.state == "working":
            making.text = f"its process ended with {process.returncode} and without a word"


def _note(making: Making, said: Body) -> None:
    if "path" in said:
        making.state, making.share = "done", 1.0
        making.text, making.url = "done", url_of(Path(said["path"]).name)
    elif "error" in said:
        making.state, making.text = "failed", str(said["error"])
    else:
        making.share, making.text = float(said["share"]), str(said["text"])


def url_of(name: str) -> str:
    """Where a report is read."""
    return f"/reports/{name}"
