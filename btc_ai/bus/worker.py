"""A worker's end of the bus: one DEALER socket, used from the worker's only thread."""

import os
from pathlib import Path

import zmq

from btc_ai.bus.codec import Body, Envelope, decode, encode
from btc_ai.paths import command_socket

TOKEN_VARIABLE = "BTC_AI_WORKER_TOKEN"


class WorkerLink:
    """Sends this worker's messages and receives the daemon's."""

    def __init__(self, runtime: Path) -> None:
        """Connect under the secret that the daemon put into the environment."""
        token = bytes.fromhex(os.environ.pop(TOKEN_VARIABLE))
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.IDENTITY, token)
        self._socket.linger = 2000
        self._socket.connect(f"ipc://{command_socket(runtime)}")

    def send(self, kind: str, body: Body) -> None:
        """Send one message."""
        self._socket.send(encode(Envelope(kind, body, "worker")))

    def receive(self, timeout: float = 0.0) -> Envelope | None:
        """The daemon's next message, or None after `timeout` seconds."""
        if not self._socket.poll(int(timeout * 1000)):
            return None
        return decode(self._socket.recv())

    def close(self) -> None:
        """Send what is left, then close."""
        self._socket.close()
        self._context.term()
