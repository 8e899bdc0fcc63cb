"""Every error that a user or a plugin can meet; each message says what to do about it."""

from collections.abc import Mapping
from typing import ClassVar

GO_ON = "go on with `btc-ai train --resume`, or `btc-ai study resume` for a study"
"""How a message ends that can meet a run as well as a study."""


class BtcAiError(Exception):
    """Base class. `code` travels in error replies, so that a client can tell kinds apart."""

    code: ClassVar[str] = "failed"


class UsageError(BtcAiError):
    """Options that contradict each other or name what does not exist; exit code 2."""

    code = "usage"


class ConfigError(BtcAiError):
    """The configuration file cannot be used. `faults`: what is wrong with which dotted key."""

    code = "config"

    def __init__(self, message: str, faults: Mapping[str, str] | None = None) -> None:
        """Keep the faults beside the message."""
        super().__init__(message)
        self.faults = dict(faults or {})


class DataError(BtcAiError):
    """Candles or features are missing, corrupt, ambiguous or too few."""

    code = "data"


class TrainingError(BtcAiError):
    """A bucket cannot be trained, resumed or saved."""

    code = "training"


class UpdateError(BtcAiError):
    """An update cannot be found, fetched, trusted or installed."""

    code = "update"


class HistoryError(BtcAiError):
    """The history's database cannot be opened, or is of another version."""

    code = "history"


class PluginError(BtcAiError):
    """A plugin cannot be loaded or does not keep its contract."""

    code = "plugin"


class BusError(BtcAiError):
    """A message that is not according to `docs/messaging.md`, or a peer that does not answer."""

    code = "bus"
