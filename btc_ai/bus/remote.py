"""The daemon's TCP door: CURVE for secrecy, ZAP for who may come in, a role for each key."""

import asyncio
import math
import time
from dataclasses import dataclass, field
from typing import Any

import zmq
import zmq.asyncio
from zmq.utils import z85

from btc_ai.api.service import Logger
from btc_ai.bus.address import endpoint
from btc_ai.bus.broker import MAX_MESSAGE, Broker, plain_socket
from btc_ai.bus.commands import Peer, serve_commands
from btc_ai.bus.events import EventSocket
from btc_ai.bus.keys import ClientKey, Keys
from btc_ai.config import Remote
from btc_ai.errors import BusError

DOMAIN = b"btc-ai"
HANDSHAKE_MS = 5000
HEARTBEAT_MS = 20_000
REBIND_LIMIT_S = 5.0
REBIND_EVERY_S = 0.01
TELL_EVERY_S = 1.0


@dataclass
class Access:
    """The keys by their public half, as last read from KEYS_DIR, and those that may come in."""

    keys: Keys
    log: Logger
    known: dict[str, ClientKey] = field(default_factory=dict)
    valid: dict[str, ClientKey] = field(default_factory=dict)

    def refresh(self) -> None:
        """Read the keys again. Raises BtcAiError where they cannot be; then none is valid."""
        self.valid = {}
        clients, wrong = self.keys.clients()
        for text in wrong:
            self.log.warning("key refused", reason=text)
        self.known = {one.public: one for one in clients}
        self.valid = {public: one for public, one in self.known.items() if one.revoked is None}


class RemoteDoor:
    """Commands and events over TCP. It shares nothing with the sockets of this machine."""

    def __init__(self, broker: Broker, settings: Remote, keys: Keys, log: Logger) -> None:
        """Bind both ports. Raises BtcAiError where there are no keys or a port is taken."""
        self._broker, self._settings, self._log = broker, settings, log
        self._pair = keys.server()  # before a context runs
        self.access = Access(keys, log)
        self.access.refresh()
        self._reopening = asyncio.Lock()
        self._context = zmq.asyncio.Context()
        try:
            self._gate = self._context.socket(zmq.ROUTER)
            self._gate.bind("inproc://zeromq.zap.01")
            self._commands = self._secure(self._context.socket(zmq.ROUTER))
            self._commands.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE)
            self._bind(self._commands, settings.COMMAND_PORT)
            self._events: EventSocket | None = self._open_events()
        except BusError:
            self._context.destroy(linger=0)
            raise

    def _secure(self, made: Any) -> Any:
        """The socket, to which nobody gets through without a key that ZAP has let in."""
        made.linger = 0
        public, secret = self._pair
        made.curve_server = True
        made.curve_publickey, made.curve_secretkey = public.encode(), secret.encode()
        made.zap_domain = DOMAIN
        made.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
        made.handshake_ivl, made.heartbeat_ivl = HANDSHAKE_MS, HEARTBEAT_MS
        made.ipv6 = ":" in self._settings.ADDRESS
        return made

    def _bind(self, socket: Any, port: int) -> None:
        where = endpoint(self._settings.ADDRESS, port)
        try:
            socket.bind(where)
        except zmq.ZMQError as error:
            socket.close(linger=0)
            raise BusError(
                f"cannot listen at {where}: {error}; see REMOTE in the configuration"
            ) from None

    def _open_events(self) -> EventSocket:
        made = EventSocket(
            self._secure(plain_socket(self._context, zmq.XPUB)), self._broker.welcome
        )
        self._bind(made.socket, self._settings.EVENT_PORT)
        return made

    async def serve(self) -> None:
        """Let in who may come in, hand on commands, welcome subscribers; for ever."""
        gate = Gate(self._gate, self.access, self._log)
        async with asyncio.TaskGroup() as self._group:
            self._group.create_task(gate.serve())
            self._group.create_task(serve_commands(self._commands, self._peer, self._broker.handle))
            self._serve_events()

    def _serve_events(self) -> None:
        assert self._events is not None
        self._broker.add_outlet(self._events)
        self._serving = self._group.create_task(self._events.serve())

    def _peer(self, route: bytes, frame: Any) -> Peer:
        """The peer behind a frame, with the role that its key has now."""
        public, address = str(frame.get("User-Id")), frame.get("Peer-Address")
        key, known = self.access.valid.get(public), self.access.known.get(public)
        who = f"key {known.name if known else public} from {address}"
        return Peer(route, who, key.role if key else None, self._commands)

    async def refresh(self) -> int:
        """Read the keys again and shut out who is no longer let in; how many keys are valid."""
        before = self.access.valid
        try:
            self.access.refresh()
        finally:
            if any(self.access.valid.get(public) != key for public, key in before.items()):
                async with self._reopening:  # one may wait for the other: both see it done
                    await self._reopen_events()
        return len(self.access.valid)

    async def _reopen_events(self) -> None:
        """End every subscription; those who may come back do so by themselves, and catch up."""
        if self._events is not None:
            await self._close_events(self._events)
        end = time.monotonic() + REBIND_LIMIT_S
        while self._events is None:
            try:
                self._events = self._open_events()
            except BusError:
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(REBIND_EVERY_S)
        self._serve_events()

    async def _close_events(self, events: EventSocket) -> None:
        self._broker.remove_outlet(events)
        self._serving.cancel()
        await asyncio.wait({self._serving})
        events.socket.close(linger=0)
        self._events = None

    def close(self) -> None:
        """Close the door."""
        if self._events is not None:
            self._broker.remove_outlet(self._events)
        self._context.destroy(linger=0)


class Gate:
    """Answers ZAP requests (RFC 27): in comes who has a valid key, as the user of that name."""

    def __init__(self, socket: Any, access: Access, log: Logger) -> None:
        """Over the bound ROUTER."""
        self._socket, self._access, self._log = socket, access, log
        self._refused, self._told = 0, -math.inf

    async def serve(self) -> None:
        """Answer; for ever. What is no request gets no answer, and so lets nobody in."""
        while True:
            frames = await self._socket.recv_multipart()
            if len(frames) < 8:
                continue
            route, request = frames[:2], frames[2:]
            public = self._public(request)
            if public is None:
                self._tell(request[3].decode(errors="replace"))
                status = [b"400", b"no valid key", b""]
            else:
                status = [b"200", b"OK", public.encode()]
            await self._socket.send_multipart([*route, b"1.0", request[1], *status, b""])

    def _public(self, request: list[bytes]) -> str | None:
        """The valid public key that a request names, if it does."""
        version, _, domain, _, _, mechanism, *credentials = request
        if (version, domain, mechanism) != (b"1.0", DOMAIN, b"CURVE"):
            return None
        if len(credentials) != 1 or len(credentials[0]) != 32:
            return None
        public = z85.encode(credentials[0]).decode()
        return public if public in self._access.valid else None

    def _tell(self, address: str) -> None:
        """Log refusals, once in a while: who knocks must not fill the disk."""
        self._refused += 1
        if time.monotonic() - self._told > TELL_EVERY_S:
            self._log.warning("connection refused", address=address, times=self._refused)
            self._refused, self._told = 0, time.monotonic()
