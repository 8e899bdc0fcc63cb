"""Commands, from an explicit table: kind → body model → handler. Nothing goes by attribute name."""

import asyncio
import json
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from itertools import islice

from pydantic import BaseModel, ValidationError
from structlog.contextvars import bind_contextvars

from btc_ai.api.service import Body, Call, Command, Logger, Role
from btc_ai.bus.broker import Broker
from btc_ai.bus.codec import Envelope
from btc_ai.bus.commands import Peer
from btc_ai.daemon.tasks import Tasks, asked_to_end
from btc_ai.errors import BtcAiError, BusError, PluginError
from btc_ai.redaction import redact

IN_FLIGHT, OF_VIEWERS, OF_A_VIEWER = 256, 128, 32
"""Commands in flight at once: those who only look leave room for those who run things."""
MAX_REASON = 4000
REMEMBERED = 16_384
"""How many commands' ids are kept, to tell one that comes again."""
MAX_AUDITED, MAX_VALUE = 20, 100
_NOT_TOLD = (dict, list, tuple, type(None))


class CommandError(BusError):
    """A command that cannot be answered; `code` as in `docs/messaging.md`."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the reply's code beside its message."""
        super().__init__(message)
        self.code = code  # type: ignore[misc]  # each reply has its own


class Dispatcher:
    """The dispatch table and the commands in flight."""

    def __init__(self, log: Logger, *, audit: Logger | None = None) -> None:
        """An empty table; `audit` gets a line for each command that changes something."""
        self._log, self._audit = log, audit or log
        self._table: dict[str, Command] = {}
        self._expected: dict[str, tuple[asyncio.Event, Callable[[], str]]] = {}
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._viewers: Counter[str] = Counter()
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

    @property
    def roles(self) -> dict[str, Role]:
        """The least role that may send each command."""
        return {kind: self._table[kind].role for kind in self.kinds}

    async def answer(self, kind: str, body: Body, call: Call) -> Body:
        """The result of one command. Raises BtcAiError; never anything else.

        A command that needs an operator leaves a line in the audit, however it ends.
        """
        command = self._table.get(kind) or await self._expect(kind)
        if command.role == "viewer":
            return await run_command(command, body, call, self._log)
        outcome = "cancelled"
        try:
            if call.role != "operator":
                raise CommandError("forbidden", f"{kind} needs a key with the role operator")
            result = await run_command(command, body, call, self._log)
            outcome = "done"
        except BtcAiError as error:
            outcome = error.code
            raise
        finally:
            self._note(kind, body, call, outcome)
        return result

    def _note(self, kind: str, body: Body, call: Call, outcome: str) -> None:
        """Write a line of the audit; what the sender could have made up comes last."""
        level = self._audit.warning if outcome == "forbidden" else self._audit.info
        level(
            "command", kind=kind, outcome=outcome, who=call.who, source=call.source,
            arguments=_told(body), command=call.id,
        )  # fmt: skip

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
        """Answer a command from a socket in a task of its own."""
        if refused := self._refusal(envelope, peer):
            await broker.reply(peer, envelope.id, "error", refused)
            return
        if peer.role == "viewer":
            self._viewers[peer.who] += 1
        self.tasks.spawn(f"command {envelope.kind}", self._reply(broker, envelope, peer))

    def _refusal(self, envelope: Envelope, peer: Peer) -> Body | None:
        """The error reply to a command that is not even looked at."""
        if peer.role is None:
            self._audit.warning("command", kind=envelope.kind, outcome="revoked", who=peer.who)
            return {"code": "forbidden", "message": "this key has been revoked; ask for another"}
        if self._is_crowded(peer):
            return {"code": "busy", "message": "too many commands at once; try again"}
        known = envelope.id in self._seen
        self._seen[envelope.id] = None
        self._seen.move_to_end(envelope.id)
        if known:
            return {"code": "replayed", "message": "a command with this id has come before"}
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return None

    def _is_crowded(self, peer: Peer) -> bool:
        if len(self.tasks) >= IN_FLIGHT:
            return True
        viewers = self._viewers
        return peer.role == "viewer" and (
            viewers[peer.who] >= OF_A_VIEWER or viewers.total() >= OF_VIEWERS
        )

    async def _reply(self, broker: Broker, envelope: Envelope, peer: Peer) -> None:
        try:
            await self._reply_to(broker, envelope, peer)
        finally:
            if peer.role == "viewer":
                self._viewers -= Counter((peer.who,))

    async def _reply_to(self, broker: Broker, envelope: Envelope, peer: Peer) -> None:
        assert peer.role is not None
        call = Call(envelope.id, envelope.source, peer.role, peer.who)
        bind_contextvars(command=envelope.id)  # in this task's own context
        try:
            result = await self.answer(envelope.kind, envelope.body, call)
        except BtcAiError as error:
            body = {"code": error.code, "message": str(error)}
            await broker.reply(peer, envelope.id, "error", body)
        else:
            await broker.reply(peer, envelope.id, "result", result)


def _told(body: Body) -> str:
    """The scalar arguments of a command, without secrets, as JSON of bounded length."""
    scalars = ((key, one) for key, one in body.items() if not isinstance(one, _NOT_TOLD))
    told = {key[:MAX_VALUE]: redact(one, key) for key, one in islice(scalars, MAX_AUDITED)}
    return json.dumps(
        {key: one[:MAX_VALUE] if isinstance(one, str) else one for key, one in told.items()}
    )


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
