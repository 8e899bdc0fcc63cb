"""The worker process: runs one step after the other and dies with the daemon."""

import os
import signal

from btc_ai.api.step import MAX_REASON, StepStoppedError, find_function, unexpected
from btc_ai.bus.codec import Body
from btc_ai.bus.worker import WorkerLink
from btc_ai.daemon.stderr_log import StderrLog, forward_logging
from btc_ai.errors import BtcAiError
from btc_ai.execution.child import die_with_parent
from btc_ai.paths import runtime_dir

PARENT_VARIABLE = "BTC_AI_WORKER_PARENT"
_END = ("worker.stop", "worker.exit")


class LinkedStep:
    """The StepContext of a running step, over the worker's link."""

    def __init__(self, link: WorkerLink) -> None:
        """A step that has not been asked to stop; SIGTERM asks the same as the message."""
        self._link = link
        self._stop = False
        self.log = StderrLog()
        signal.signal(signal.SIGTERM, self._on_signal)

    def _on_signal(self, signum: int, frame: object) -> None:
        self._stop = True

    def progress(self, body: Body) -> None:
        """Send the service a progress message."""
        self._link.send("worker.progress", body)

    @property
    def asked(self) -> bool:
        """Whether it has been asked to stop, so far as it has looked."""
        return self._stop

    def should_stop(self) -> bool:
        """Whether the daemon, or a signal, has asked the step to stop."""
        while (message := self._link.receive()) is not None:
            self._stop = self._stop or message.kind in _END
        return self._stop


def _run(link: WorkerLink, step: LinkedStep, body: Body) -> None:
    """Run one step and send its outcome."""
    try:
        result = find_function(body["function"])(body["arguments"], step)
        link.send("worker.result", result)
    except StepStoppedError:
        link.send("worker.stopped", {})
    except BtcAiError as error:
        _fail(link, error.code, str(error))
    except Exception as error:  # a fence: the daemon hears of every failure
        step.log.error("step failed", function=body["function"], exc_info=True)
        _fail(link, "internal", unexpected(error))


def _fail(link: WorkerLink, code: str, message: str) -> None:
    sendable = message[: 2 * MAX_REASON].encode(errors="backslashreplace").decode()
    link.send("worker.error", {"code": code, "message": sendable})


def main() -> None:
    """Answer `worker.step` messages until `worker.exit`."""
    die_with_parent(int(os.environ.pop(PARENT_VARIABLE)))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    forward_logging()
    link = WorkerLink(runtime_dir())
    step = LinkedStep(link)
    link.send("worker.ready", {"pid": os.getpid()})
    while not step.asked:
        message = link.receive(1.0)
        if message is None:
            continue
        if message.kind in _END:
            break
        if message.kind == "worker.step":
            _run(link, step, message.body)
    link.close()


if __name__ == "__main__":
    main()
