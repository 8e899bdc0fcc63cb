"""A socket that events are heard at: topics, and a welcome for each subscriber."""

import asyncio
import re
import time
from collections.abc import Callable

import zmq

MAX_SUBSCRIPTION = 1024
"""A longer subscription ends its connection, bytes."""
_WELCOME = re.compile(rb"\x01(welcome\.[0-9a-f]{16})")
_AT_ONCE = 256
_REST = 3
"""A welcome is followed by so many times the time it took: a flood of them takes a quarter."""


class EventSocket:
    """An XPUB socket. It is no asyncio socket: sending never waits, and so costs a tenth."""

    def __init__(self, socket: "zmq.Socket[bytes]", welcome: Callable[[], bytes]) -> None:
        """Over a socket yet to be bound; `welcome` makes the frame that greets a subscriber."""
        self.socket, self._welcome = socket, welcome
        self._look = asyncio.Event()
        socket.linger = 0
        socket.setsockopt(zmq.MAXMSGSIZE, MAX_SUBSCRIPTION)

    def send(self, topic: bytes, frame: bytes) -> None:
        """Send one event to whoever hears its topic; who is too slow for it loses it."""
        self.socket.send(topic, zmq.SNDMORE | zmq.NOBLOCK)
        self.socket.send(frame, zmq.NOBLOCK)
        self._look.set()  # sending takes the signal that a subscription has come

    async def serve(self) -> None:
        """Welcome each subscriber, on its own topic, once its subscriptions are in force."""
        loop, descriptor = asyncio.get_running_loop(), self.socket.fileno()
        loop.add_reader(descriptor, self._look.set)
        try:
            while True:
                self._look.clear()
                began = time.monotonic()
                if self._greet():
                    self._look.set()
                    await asyncio.sleep(_REST * (time.monotonic() - began))
                await self._look.wait()
        finally:
            loop.remove_reader(descriptor)

    def _greet(self) -> bool:
        """Read what subscribers sent, until one is welcomed; whether there may be more."""
        for _ in range(_AT_ONCE):
            try:
                message = self.socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                return False
            if found := _WELCOME.fullmatch(message):
                self.send(found[1], self._welcome())
                return True
        return True
