"""A socket that commands come in at: who sent each, and the way back."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from btc_ai.api.service import Role
from btc_ai.bus.codec import Body, Envelope, FrameError, VersionError, decode, encode


@dataclass(frozen=True)
class Peer:
    """Who sent a command. `role` is None where the key has been revoked; `who` is for the audit."""

    route: bytes
    who: str
    role: Role | None
    socket: Any = field(repr=False, compare=False)


Handle = Callable[[Envelope, Peer], Awaitable[None]]
Identify = Callable[[bytes, Any], Peer]
"""The peer of a route and the (uncopied) frame that came from it."""


async def serve_commands(socket: Any, identify: Identify, handle: Handle) -> None:
    """Hand on each frame that holds an envelope; answer the others with what is wrong."""
    while True:
        route, *frames = await socket.recv_multipart(copy=False)
        peer = identify(route.bytes, frames[-1] if frames else route)
        try:
            if len(frames) != 1:
                raise FrameError("a command is exactly one frame")
            envelope = decode(frames[0].bytes)
        except (FrameError, VersionError) as error:
            await send_reply(peer, None, "error", {"code": error.code, "message": str(error)})
            continue
        await handle(envelope, peer)


async def send_reply(peer: Peer, parent_id: str | None, kind: str, body: Body) -> None:
    """Send one reply; a peer that has gone is none of our business."""
    try:
        frame = encode(Envelope(f"reply.{kind}", body, "daemon", parent_id))
    except FrameError as error:
        failure = {"code": "internal", "message": f"the reply cannot be sent: {error}"}
        frame = encode(Envelope("reply.error", failure, "daemon", parent_id))
    await peer.socket.send_multipart([peer.route, frame])
