"""What a check finds, and what it looks at."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from btc_ai.cli.context import Globals
from btc_ai.errors import BtcAiError

if TYPE_CHECKING:
    from btc_ai.config import Config

Level = Literal["ok", "warning", "wrong"]


@dataclass(frozen=True)
class Finding:
    """What was found, where, and what to do about it (nothing, where it is ok)."""

    level: Level
    what: str
    where: str = ""
    todo: str = ""
    check: str = ""

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return asdict(self)


def ok(what: str, where: object = "") -> Finding:
    """All is well."""
    return Finding("ok", what, str(where))


def warning(what: str, where: object = "", *, todo: str) -> Finding:
    """It works, but not as it should."""
    return Finding("warning", what, str(where), todo)


def wrong(what: str, where: object = "", *, todo: str) -> Finding:
    """It does not work."""
    return Finding("wrong", what, str(where), todo)


class Look:
    """What the checks look at; asked for once, when the first needs it."""

    def __init__(self, here: Globals) -> None:
        """The invocation's configuration and runtime folder."""
        self.here = here

    @cached_property
    def config_error(self) -> str:
        """What is wrong with the configuration; empty where it is valid."""
        try:
            self.config  # noqa: B018  # it is read once, here
        except BtcAiError as error:
            return str(error)
        return ""

    @cached_property
    def config(self) -> "Config":
        """The configuration. Raises ConfigError."""
        return self.here.config()

    @cached_property
    def daemon(self) -> dict[str, Any] | None:
        """What the running daemon says of itself, None where none runs. Raises BtcAiError."""
        client = self.here.client_if_any()
        if client is None:
            return None
        with client:
            return client.call("daemon.status")


@dataclass(frozen=True)
class Check:
    """One check: its name, what it does, and whether it needs a valid configuration."""

    name: str
    work: Callable[[Look], Iterable[Finding]]
    needs_config: bool = True
