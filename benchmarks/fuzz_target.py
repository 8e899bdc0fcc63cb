"""The bus as the daemon runs it, with one command that no made-up frame can get right.

`python -m benchmarks.fuzz_target FOLDER WORD COMMAND_PORT EVENT_PORT`: ends with its parent.
"""

import asyncio
import gc
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, create_model

from btc_ai.api.service import Body, Call, Command
from btc_ai.bus.broker import Broker
from btc_ai.bus.keys import Keys
from btc_ai.bus.remote import RemoteDoor
from btc_ai.config import Remote
from btc_ai.daemon.commands import Nothing
from btc_ai.daemon.dispatch import Dispatcher
from btc_ai.daemon.tasks import Tasks

TARGET = "canary.sing"


class CountingLog:
    """A Logger that counts errors, which a frame must not cause, and forgets the rest."""

    def __init__(self) -> None:
        """None yet."""
        self.errors = 0

    def debug(self, event: str, **values: Any) -> None:
        """Forget it."""

    info = warning = debug

    def error(self, event: str, **values: Any) -> None:
        """Count it, and let it be read in stderr."""
        self.errors += 1
        sys.stderr.write(f"{event} {values}\n")


async def serve(folder: Path, word: str, command_port: int, event_port: int) -> None:
    """Serve until the parent has gone."""
    delivered: Counter[str] = Counter()
    log = CountingLog()

    async def sing(body: BaseModel, call: Call) -> Body:
        delivered["delivered"] += 1
        return {}

    async def count(body: Nothing, call: Call) -> Body:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return {
            "rss_mb": pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
            "descriptors": len(os.listdir("/proc/self/fd")),  # noqa: PTH208
            "delivered": delivered["delivered"],
            "errors": log.errors,
        }

    strict = ConfigDict(extra="forbid")
    only: Any = Literal[word]
    song: Any = create_model("Song", __config__=strict, word=(only, ...))
    dispatcher, tasks = Dispatcher(log), Tasks(log)
    broker = Broker(folder, lambda one, peer: dispatcher.handle(broker, one, peer))
    settings = Remote(ENABLED=True, COMMAND_PORT=command_port, EVENT_PORT=event_port)
    door = RemoteDoor(broker, settings, Keys(folder / "keys"), log)
    dispatcher.add([Command(TARGET, song, sing)])
    dispatcher.add([Command("daemon.ping", Nothing, count, role="viewer")])
    for name, work in (
        ("commands", broker.serve_commands()),
        ("subscriptions", broker.serve_subscriptions()),
        ("remote", door.serve()),
    ):
        tasks.spawn(name, work, forever=True)
    parent = os.getppid()
    while os.getppid() == parent:
        broker.publish("canary.tick", {}, source="canary")
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
