"""The newest events, kept as they were sent, for those who missed some."""

from collections import OrderedDict, deque
from itertools import islice

OVERHEAD = 200
"""Bytes that keeping a frame costs beside its own."""


class History:
    """Events in the order they were published, at most `limit` bytes of them.

    Who takes the most room makes room: a flood of one source costs the others nothing.
    """

    def __init__(self, limit: int) -> None:
        """Keep none yet."""
        self._limit = limit
        self._sizes: dict[str, int] = {}
        self._kept: dict[str, deque[tuple[int, bytes]]] = {}

    def add(self, source: str, seq: int, frame: bytes) -> None:
        """Keep one event; the largest source's oldest go where there is no room.

        `seq` counts up by one.
        """
        self._kept.setdefault(source, deque()).append((seq, frame))
        self._sizes[source] = self._sizes.get(source, 0) + len(frame) + OVERHEAD
        while sum(self._sizes.values()) > self._limit:
            largest = max(self._sizes, key=self._sizes.__getitem__)
            _, dropped = self._kept[largest].popleft()
            self._sizes[largest] -= len(dropped) + OVERHEAD

    def after(self, source: str, seq: int, limit: int) -> list[tuple[int, bytes]]:
        """At most `limit` events of `source` that came after `seq`, oldest first."""
        kept = self._kept.get(source)
        if not kept:
            return []
        skipped = max(0, seq + 1 - kept[0][0])
        return list(islice(kept, skipped, skipped + limit))


class LastEvents:
    """The last event of each kind and run, at most `limit` of a source."""

    def __init__(self, limit: int) -> None:
        """Keep none yet."""
        self._limit, self._count = limit, 0
        self._kept: dict[str, OrderedDict[tuple[str, str | None], tuple[int, bytes]]] = {}

    def add(self, source: str, kind: str, run: str | None, frame: bytes) -> None:
        """Keep one event in the place of the one before it."""
        kept = self._kept.setdefault(source, OrderedDict())
        self._count += 1
        kept[kind, run] = self._count, frame
        kept.move_to_end((kind, run))
        if len(kept) > self._limit:
            kept.popitem(last=False)

    def within(self, room: int) -> list[bytes]:
        """Those that `room` bytes hold, in the order of publication.

        Where there are more, the oldest go, of the source that takes the most.
        """
        kept = {source: deque(one.values()) for source, one in self._kept.items()}
        sizes = {source: sum(len(one[1]) for one in some) for source, some in kept.items()}
        while sum(sizes.values()) > room:
            largest = max(sizes, key=sizes.__getitem__)
            sizes[largest] -= len(kept[largest].popleft()[1])
        return [frame for _, frame in sorted(one for some in kept.values() for one in some)]
