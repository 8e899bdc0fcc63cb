"""What a step sees of the daemon while it runs in a worker process."""

from typing import Any, Protocol

from btc_ai.api.service import Logger
from btc_ai.errors import BtcAiError

Body = dict[str, Any]


class StepStoppedError(BtcAiError):
    """Raised by a step that stopped where it was asked to, at a checkpoint."""

    code = "stopped"


class WorkerFailedError(BtcAiError):
    """A worker process died too often."""

    code = "worker"


class StepContext(Protocol):
    """Handed to a step as its second argument."""

    @property
    def log(self) -> Logger:
        """A logger; the daemon writes what it gets."""

    def progress(self, body: Body) -> None:
        """Send the service a progress message. Returns at once."""

    def should_stop(self) -> bool:
        """Whether the step is to reach a checkpoint and raise StepStoppedError."""
