"""Runs the web server in this process: on its port or one of the next, until it is told to stop."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from btc_ai.dashboard.peers import family_of
from btc_ai.errors import BtcAiError

PORTS = 10
END_S = 2


@dataclass(frozen=True)
class Door:
    """A bound socket, not yet served."""

    socket: socket.socket
    address: str
    port: int

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        wildcard = self.address in ("0.0.0.0", "::")
        name = "127.0.0.1" if wildcard else self.address
        return f"http://{f'[{name}]' if ':' in name else name}:{self.port}"


def open_door(address: str, port: int) -> Door:
    """Bind the port, or the first free one of the next; 0: any. Raises BtcAiError."""
    last: OSError | None = None
    for number in [port] if port == 0 else range(port, min(port + PORTS, 65536)):
        made = socket.socket(family_of(address), socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((address, number))
            made.listen(128)
        except OSError as error:
            made.close()
            last = error
            continue
        return Door(made, address, int(made.getsockname()[1]))
    assert last is not None
    raise BtcAiError(
        f"cannot listen on {address}, ports {port} to {port + PORTS - 1}: {last.strerror}; name "
        "another with DASHBOARD.PORT, or `btc-ai monitor --port`"
    )


class _Server(uvicorn.Server):
    """Leaves signals to the process it is in."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing to capture."""
        yield


class WebServer:
    """Serves an app on a door."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        """Nothing is served yet."""
        self._door = door
        self._server = _Server(
            uvicorn.Config(
                app, loop="none", http="h11", ws="websockets-sansio", lifespan="off",
                log_config=None, log_level="error", access_log=False, server_header=False,
                proxy_headers=False, ws_max_size=1 << 16, ws_per_message_deflate=False,
                timeout_graceful_shutdown=END_S,
            )
        )  # fmt: skip

    async def run(self) -> None:
        """Serve until `stop`."""
        await self._server.serve(sockets=[self._door.socket])

    def stop(self) -> None:
        """Let `run` end, and with it every connection."""
        self._server.should_exit = True
