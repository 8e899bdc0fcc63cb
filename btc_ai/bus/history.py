"""The newest events, kept as they were sent, for those who missed some."""

from collections import deque
from itertools import islice

OVERHEAD = 200
"""Bytes that keeping a frame costs beside its own."""


class History:
    """Events in the order they were published, at most `limit` bytes of them."""

    def __init__(self, limit: int) -> None:
        """Keep none yet."""
        self._limit, self._size = limit, 0
        self._order: deque[str] = deque()
        self._kept: dict[str, deque[tuple[int, bytes]]] = {}

    def add(self, source: str, seq: int, frame: bytes) -> None:
        """Keep one event; the oldest go where there is no room. `seq` counts up by one."""
        self._kept.setdefault(source, deque()).append((seq, frame))
        self._order.append(source)
        self._size += len(frame) + OVERHEAD
        while self._size > self._limit:
            oldest = self._order.popleft()
            _, dropped = self._kept[oldest].popleft()
            self._size -= len(dropped) + OVERHEAD

    def after(self, source: str, seq: int, limit: int) -> list[tuple[int, bytes]]:
        """At most `limit` events of `source` that came after `seq`, oldest first."""
        kept = self._kept.get(source)
        if not kept:
            return []
        skipped = max(0, seq + 1 - kept[0][0])
        return list(islice(kept, skipped, skipped + limit))
