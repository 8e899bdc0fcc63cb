"""What can be wrong with a request, and the HTTP status that says so."""

from collections.abc import Mapping

from btc_ai.bus.client import NoDaemonError, RemoteError
from btc_ai.errors import BtcAiError, ConfigError, HistoryError, UsageError
from btc_ai.history.queries import UnknownRunError


class NotFoundError(BtcAiError):
    """There is no such thing."""

    code = "not_found"


class ConflictError(BtcAiError):
    """Somebody else was faster."""

    code = "conflict"


class FieldsError(UsageError):
    """What is wrong with which field of a request."""

    def __init__(self, message: str, fields: Mapping[str, str]) -> None:
        """Keep the fields beside the message."""
        super().__init__(message)
        self.fields = dict(fields)


_STATUS: tuple[tuple[type[BtcAiError], int], ...] = (
    (NotFoundError, 404), (UnknownRunError, 404), (ConflictError, 409), (UsageError, 400),
    (ConfigError, 400), (NoDaemonError, 503), (HistoryError, 503), (RemoteError, 502),
)  # fmt: skip


def status_of(error: BtcAiError) -> int:
    """The HTTP status of an error; 500 where it is nobody's fault but ours."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
