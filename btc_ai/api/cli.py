"""What a plugin's sub-command of `btc-ai` sees of the command line."""

from typing import Any, Protocol, cast

import typer

Body = dict[str, Any]


class CommandLine(Protocol):
    """The invocation: its global options, and the daemon it speaks to."""

    @property
    def quiet(self) -> bool:
        """Whether only results and errors are to be printed."""

    def call(self, kind: str, body: Body | None = None, *, timeout: float | None = None) -> Body:
        """Send one command and return its result; where no daemon runs, one is started.

        timeout: seconds to wait for the reply, 10 unless told. Raises BtcAiError, which the command
        line prints and turns into its exit code.
        """

    def say(self, text: str) -> None:
        """Print one line of what was done, unless --quiet."""


def command_line(ctx: typer.Context) -> CommandLine:
    """The command line of a running command."""
    return cast(CommandLine, ctx.find_root().obj)
