"""The worker process: runs one step after the other and dies with the daemon."""

import os
import resource
import signal
import time
import traceback

from structlog.contextvars import bound_contextvars

from btc_ai.api.step import MAX_REASON, StepStoppedError, find_function, unexpected
from btc_ai.bus.codec import Body, Envelope
from btc_ai.bus.worker import WorkerLink
from btc_ai.daemon.children.records import hand_on_records, set_level
from btc_ai.errors import BtcAiError
from btc_ai.execution.child import die_with_parent
from btc_ai.logs.capture import logger
from btc_ai.paths import runtime_dir

PARENT_VARIABLE = "BTC_AI_WORKER_PARENT"
MEMORY_VARIABLE = "BTC_AI_WORKER_MEMORY_MB"
ALIVE_VARIABLE = "BTC_AI_WORKER_ALIVE_S"
_END = ("worker.stop", "worker.exit")


class LinkedStep:
    """The StepContext of a running step, over the worker's link."""

    def __init__(self, link: WorkerLink) -> None:
        """A step that has not been asked to stop; SIGTERM asks the same as the message."""
        self._link = link
        self._stop = False
        self._alive_every_s = float(os.environ.pop(ALIVE_VARIABLE))
        self._spoke = time.monotonic()
        self.log = logger("worker")
        signal.signal(signal.SIGTERM, self._on_signal)

    def _on_signal(self, signum: int, frame: object) -> None:
        self._stop = True

    def progress(self, body: Body) -> None:
        """Send the service a progress message."""
        self._link.send("worker.progress", body)
        self._spoke = time.monotonic()

    @property
    def asked(self) -> bool:
        """Whether it has been asked to stop, so far as it has looked."""
        return self._stop

    def should_stop(self) -> bool:
        """Whether the daemon, or a signal, has asked the step to stop.

        To ask is a sign of life, for it is the step's own thread that does: the daemon is told.
        """
        if time.monotonic() - self._spoke >= self._alive_every_s:
            self._link.send("worker.alive", {})
            self._spoke = time.monotonic()
        while (message := self._link.receive()) is not None:
            self.take(message)
        return self._stop

    def take(self, message: Envelope) -> None:
        """Heed what the daemon says besides steps."""
        if message.kind == "worker.level":
            set_level(message.body["level"])
        self._stop = self._stop or message.kind in _END


def _run(link: WorkerLink, step: LinkedStep, body: Body) -> None:
    """Run one step and send its outcome."""
    try:
        with bound_contextvars(**body["bound"]):
            result = find_function(body["function"])(body["arguments"], step)
        link.send("worker.result", result)
    except StepStoppedError:
        link.send("worker.stopped", {})
    except BtcAiError as error:
        _fail(link, error.code, str(error))
    except MemoryError as error:
        traceback.clear_frames(error.__traceback__)  # to log takes memory, which they hold
        step.log.error("step failed", function=body["function"], exc_info=True)
        _fail(link, "memory", _out_of_memory())
    except Exception as error:  # a fence: the daemon hears of every failure
        step.log.error("step failed", function=body["function"], exc_info=True)
        _fail(link, "internal", unexpected(error))


def _fail(link: WorkerLink, code: str, message: str) -> None:
    sendable = message[: 2 * MAX_REASON].encode(errors="backslashreplace").decode()
    link.send("worker.error", {"code": code, "message": sendable})


def _out_of_memory() -> str:
    limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
    if limit == resource.RLIM_INFINITY:
        return "the worker ran out of memory; close other programs, or lower BATCH_SIZE"
    return (
        f"the worker ran out of the {limit >> 20} MiB that SUPERVISION.WORKER_MEMORY_MB grants it; "
        "raise that, or lower BATCH_SIZE"
    )


def limit_memory() -> None:
    """Have an allocation beyond what the daemon grants fail, as a MemoryError (RLIMIT_DATA)."""
    if megabytes := os.environ.pop(MEMORY_VARIABLE, None):
        limit = int(megabytes) << 20
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def main() -> None:
    """Answer `worker.step` messages until `worker.exit`."""
    limit_memory()
    die_with_parent(int(os.environ.pop(PARENT_VARIABLE)))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    hand_on_records()
    link = WorkerLink(runtime_dir())
    step = LinkedStep(link)
    link.send("worker.ready", {"pid": os.getpid()})
    while not step.asked:
        message = link.receive(1.0)
        if message is None:
            continue
        step.take(message)
        if message.kind == "worker.step":
            _run(link, step, message.body)
    link.close()


if __name__ == "__main__":
    main()
