"""The daemon's commands about its logs."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from btc_ai.api.service import Body, Call, Command
from btc_ai.config.fields import Level
from btc_ai.daemon.hosting.host import PluginHost
from btc_ai.daemon.logs import Logs
from btc_ai.errors import UsageError

PARTS = ("audit", "daemon", "dispatch", "host", "reload", "remote")
"""What logs in the daemon besides plugins."""
WEEK_MINUTES = 7 * 24 * 60


class LevelBody(BaseModel):
    """A level, for a part or plugin; null: everything, and every part, as it is configured."""

    model_config = ConfigDict(extra="forbid")

    level: Level | None
    part: str | None = None
    minutes: float | None = Field(None, gt=0, le=WEEK_MINUTES)


class LogCommands:
    """Answers `daemon.log_level`."""

    def __init__(self, logs: Logs, host: PluginHost) -> None:
        """Commands over the daemon's logs."""
        self._logs, self._host = logs, host

    def commands(self) -> Sequence[Command]:
        """The rows of the dispatch table."""
        return (Command("daemon.log_level", LevelBody, self._level),)

    async def _level(self, body: LevelBody, call: Call) -> Body:
        known = (*PARTS, *(record.name for record in self._host.records))
        if body.part is not None and body.part not in known:
            raise UsageError(f"nothing logs as {body.part!r}; known are {', '.join(known)}")
        seconds = body.minutes * 60 if body.minutes else None
        if body.level is None and body.part is None:
            self._logs.levels.reset()
        else:
            self._logs.levels.change(body.level, body.part or "", seconds)
        return {"levels": self._logs.levels.in_force()}
