"""The daemon's commands about the bus: which there are, the event history, the TCP door's keys."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from btc_ai.api.service import Body, Call, Command
from btc_ai.bus.broker import Broker
from btc_ai.bus.remote import RemoteDoor
from btc_ai.daemon.commands import Nothing
from btc_ai.daemon.dispatch import Dispatcher


class EventsBody(BaseModel):
    """Which events: those of `source` after number `after`, at most `limit`."""

    model_config = ConfigDict(extra="forbid")

    source: str = Field(max_length=64)
    after: int = Field(0, ge=0, lt=2**63)
    limit: int = Field(1000, ge=1, le=1000)


class BusCommands:
    """Answers `daemon.commands`, `daemon.events` and `daemon.keys`."""

    def __init__(
        self, broker: Broker, dispatcher: Dispatcher, keys_dir: Path, door: RemoteDoor | None
    ) -> None:
        """Commands over the bus; `door` is None where REMOTE is not enabled."""
        self._broker, self._dispatcher = broker, dispatcher
        self._keys_dir, self._door = keys_dir, door

    def commands(self) -> Sequence[Command]:
        """The rows of the dispatch table."""
        return (
            Command("daemon.commands", Nothing, self._commands, role="viewer"),
            Command("daemon.events", EventsBody, self._events, role="viewer"),
            Command("daemon.keys", Nothing, self._keys),
        )

    async def _commands(self, body: Nothing, call: Call) -> Body:
        return {"role": call.role, "commands": self._dispatcher.roles}

    async def _events(self, body: EventsBody, call: Call) -> Body:
        return self._broker.history(body.source, body.after, body.limit)

    async def _keys(self, body: Nothing, call: Call) -> Body:
        """Read the keys again: from now on those that are revoked are shut out."""
        valid = await self._door.refresh() if self._door else 0
        return {"folder": str(self._keys_dir), "remote": self._door is not None, "valid": valid}
