"""Commands, from an explicit table: kind → body model → handler. Nothing goes by attribute name."""

import asyncio
from collections.abc import Iterable

from pydantic import BaseModel, ValidationError

from btc_ai.api.service import Body, Call, Command, Logger
from btc_ai.bus.broker import Broker, Peer
from btc_ai.bus.codec import Envelope
from btc_ai.daemon.tasks import Tasks
from btc_ai.errors import BtcAiError, BusError, PluginError

IN_FLIGHT = 256


class CommandError(BusError):
    """A command that cannot be answered; `code` as in `docs/messaging.md`."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the reply's code beside its message."""
        super().__init__(message)
        self.code = code  # type: ignore[misc]  # each reply has its own


class Dispatcher:
    """The dispatch table and the commands in flight."""

    def __init__(self, log: Logger) -> None:
        """An empty table."""
        self._log = log
        self._table: dict[str, Command] = {}
        self.tasks = Tasks(log)

    def add(self, commands: Iterable[Command]) -> None:
        """Add rows. Raises PluginError where a kind is taken."""
        for command in commands:
            if command.kind in self._table:
                raise PluginError(f"the command {command.kind} is offered twice")
            self._table[command.kind] = command

    @property
    def kinds(self) -> list[str]:
        """The commands of the table."""
        return sorted(self._table)

    async def answer(self, kind: str, body: Body, call: Call) -> Body:
        """The result of one command. Raises BtcAiError; never anything else."""
        command = self._table.get(kind)
        if command is None:
            raise CommandError("unknown_kind", f"{kind} is not a command of this daemon")
        try:
            checked: BaseModel = command.body.model_validate(body)
            return await asyncio.wait_for(command.handler(checked, call), command.timeout)
        except ValidationError as error:
            lines = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            raise CommandError("bad_body", f"{kind}: {'; '.join(lines)}") from None
        except TimeoutError:
            raise CommandError("deadline", f"{kind} took over {command.timeout:g} s") from None
        except BtcAiError:
            raise
        except Exception:  # noqa: BLE001  # a fence: a handler's fault must not end the daemon
            self._log.error("command failed", command=kind, id=call.id, exc_info=True)
            raise CommandError("internal", f"{kind} failed; the log has the details") from None

    async def handle(self, broker: Broker, envelope: Envelope, peer: Peer) -> None:
        """Answer a command from the socket in a task of its own."""
        if len(self.tasks) >= IN_FLIGHT:
            busy = {"code": "busy", "message": "too many commands at once; try again"}
            await broker.reply(peer, envelope.id, "error", busy)
            return
        self.tasks.spawn(f"command {envelope.kind}", self._reply(broker, envelope, peer))

    async def _reply(self, broker: Broker, envelope: Envelope, peer: Peer) -> None:
        call = Call(envelope.id, envelope.source)
        try:
            result = await self.answer(envelope.kind, envelope.body, call)
        except BtcAiError as error:
            body = {"code": error.code, "message": str(error)}
            await broker.reply(peer, envelope.id, "error", body)
        else:
            await broker.reply(peer, envelope.id, "result", result)
