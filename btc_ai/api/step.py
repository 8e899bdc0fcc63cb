"""What a step sees of the daemon while it runs in a worker process."""

import importlib
from typing import Any, Protocol

from btc_ai.api.service import Logger
from btc_ai.errors import BtcAiError, PluginError

Body = dict[str, Any]

MAX_REASON = 4000


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


def unexpected(error: BaseException) -> str:
    """One line on an error that is no BtcAiError, for whoever has logged its traceback."""
    first = str(error).strip().partition("\n")[0][:MAX_REASON]
    return f"{type(error).__name__}: {first} (the log has the traceback)"


def find_function(name: str) -> Any:
    """The function that `package.module:function` names; raises PluginError where it is not."""
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise PluginError(f"the step {name} cannot be found: {error}") from None
