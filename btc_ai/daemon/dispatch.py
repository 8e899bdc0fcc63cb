"""Commands, from an explicit table: kind → body model → handler. Nothing goes by attribute name."""

import asyncio
from collections.abc import Callable, Iterable

from pydantic import BaseModel, ValidationError

from btc_ai.api.service import Body, Call, Command, Logger
from btc_ai.bus.broker import Broker, Peer
from btc_ai.bus.codec import Envelope
from btc_ai.daemon.tasks import Tasks, asked_to_end
from btc_ai.errors import BtcAiError, BusError, PluginError

IN_FLIGHT = 256
MAX_REASON = 4000


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
        self._expected: dict[str, tuple[asyncio.Event, Callable[[], str]]] = {}
        self.tasks = Tasks(log)

    def add(self, commands: Iterable[Command]) -> None:
        """Add rows, all or none. Raises PluginError where a kind is taken."""
        rows: dict[str, Command] = {}
        for command in commands:
            if command.kind in self._table or command.kind in rows:
                raise PluginError(f"the command {command.kind} is offered twice")
            rows[command.kind] = command
        self._table |= rows

    def remove(self, commands: Iterable[Command]) -> None:
        """Take rows out again."""
        for command in commands:
            self._table.pop(command.kind, None)

    def expect(self, prefix: str, there: asyncio.Event, why_not: Callable[[], str]) -> None:
        """Let a command of a plugin that is not in the table wait until the plugin is `there`.

        Where the table lacks it even then, `why_not` says why; nothing: there is no such command.
        """
        self._expected[prefix] = there, why_not

    @property
    def kinds(self) -> list[str]:
        """The commands of the table."""
        return sorted(self._table)

    async def answer(self, kind: str, body: Body, call: Call) -> Body:
        """The result of one command. Raises BtcAiError; never anything else."""
        command = self._table.get(kind) or await self._expect(kind)
        return await run_command(command, body, call, self._log)

    async def _expect(self, kind: str) -> Command:
        """The row that a plugin adds once it is there. Raises BtcAiError where it adds none."""
        expected = self._expected.get(kind.partition(".")[0])
        if expected is not None:
            there, why_not = expected
            await there.wait()
            if kind in self._table:
                return self._table[kind]
            if reason := why_not():
                raise PluginError(f"{kind} is not available: {reason}")
        raise CommandError("unknown_kind", f"{kind} is not a command of this daemon")

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


async def run_command(command: Command, body: Body, call: Call, log: Logger) -> Body:
    """The result of a command's handler. Raises BtcAiError; never anything else."""
    try:
        checked: BaseModel = command.body.model_validate(body)
    except ValidationError as error:
        lines = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        reason = f"{command.kind}: {'; '.join(lines)}"[:MAX_REASON]
        raise CommandError("bad_body", reason) from None
    try:
        return await _within_timeout(command, checked, call)
    except BtcAiError:
        raise
    except asyncio.CancelledError:
        if asked_to_end():
            raise
        log.error("command was cancelled from within", command=command.kind, id=call.id)
    except (Exception, SystemExit):  # a fence: a handler must not end its process
        log.error("command failed", command=command.kind, id=call.id, exc_info=True)
    raise CommandError("internal", f"{command.kind} failed; the log has the details") from None


async def _within_timeout(command: Command, body: BaseModel, call: Call) -> Body:
    try:
        async with asyncio.timeout(command.timeout) as limit:
            return await command.handler(body, call)
    except TimeoutError:
        if not limit.expired():
            raise
        reason = f"{command.kind} took over {command.timeout:g} s"
        raise CommandError("deadline", reason) from None
