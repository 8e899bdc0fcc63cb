"""Bytes of a log back into its records, each with the lines that belong to it.

A line that is no record belongs to the one before: it is of a traceback, or torn.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from btc_ai.logs.layout import JSON, Layout
from btc_ai.logs.record import INDENT, Record

CHUNK = 1 << 22
SHORTEST = 3
"""Characters that a text must have to be worth looking for."""
DENSE = 1000
"""Bytes of a file a find, below which reading every line is faster."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A record's lines in the file. layout: None where they begin a file and are of no record."""

    text: str
    layout: Layout | None

    @property
    def record(self) -> Record | None:
        """What the lines say, read now."""
        first, *rest = self.text.split("\n")
        trace = "\n".join(line.removeprefix(INDENT) for line in rest)
        return self.layout.read(first, trace) if self.layout else None

    @property
    def time(self) -> float | None:
        """When it was logged, without reading the rest."""
        return self.layout.time(self.text.partition("\n")[0]) if self.layout else None


class Reader:
    """Reads logs of one LOG_FORMAT, and what was written before in the default one or JSON."""

    def __init__(self, layout: Layout) -> None:
        """layout: of the LOG_FORMAT in force, tried first."""
        formats = dict.fromkeys((layout.log_format, Layout().log_format, JSON))
        self._layouts = [Layout(one) for one in formats]

    def level_texts(self, lowest: int) -> list[bytes]:
        """Texts of which any record of these levels has one; none: they cannot be looked for."""
        texts = {text for layout in self._layouts for text in layout.level_texts(lowest)}
        usable = all(len(text) >= SHORTEST for text in texts)
        return [text.encode() for text in sorted(texts)] if usable else []

    def blocks(self, file: BinaryIO, stop: int | None = None) -> Iterator[bytes]:
        """The file in pieces of whole entries; `stop`: only so many bytes of it."""
        held = b""
        while chunk := file.read(CHUNK if stop is None else min(CHUNK, stop - file.tell())):
            cut = self.last_start(chunk)
            if cut:
                yield held + chunk[:cut]
                held = b""
            held += chunk[cut:]
        if held:
            yield held

    def last_start(self, chunk: bytes) -> int:
        """Where the last record begins of those whose first line ends in `chunk`; 0: at none."""
        end = chunk.rfind(b"\n")
        while (start := chunk.rfind(b"\n", 0, max(end, 0)) + 1) > 0:
            if self._layout(_text(chunk[start:end])):
                return start
            end = start - 1
        return 0

    def entries(self, block: bytes, texts: Iterable[bytes] = ()) -> Iterator[Entry]:
        """The entries; with `texts` at least those that contain one, few others being read."""
        found = sorted(at for text in texts for at in _all(block, text))
        if not texts or len(found) * DENSE > len(block):
            yield from self._entries(block)
            return
        end = 0
        for at in found:
            if at >= end:
                start, layout = self._start(block, at, end)
                end = self._end(block, at)
                yield Entry(_text(block[start:end]), layout)

    def _entries(self, block: bytes) -> Iterator[Entry]:
        layout, lines = None, list[str]()
        for line in _text(block).split("\n"):
            if (begun := self._layout(line)) is not None:
                if lines:
                    yield Entry("\n".join(lines), layout)
                layout, lines = begun, []
            lines.append(line)
        yield Entry("\n".join(lines), layout)

    def _start(self, block: bytes, inside: int, lowest: int) -> tuple[int, Layout | None]:
        """Where the entry begins that `inside` is in, and its layout; `lowest`: not before."""
        start, end = inside, _line_end(block, inside)
        while True:
            start = block.rfind(b"\n", lowest, start) + 1 or lowest
            layout = self._layout(_text(block[start:end]))
            if layout or start == lowest:
                return start, layout
            start = end = start - 1

    def _end(self, block: bytes, inside: int) -> int:
        """Where the entry ends."""
        start = _line_end(block, inside) + 1
        while start < len(block):
            end = _line_end(block, start)
            if self._layout(_text(block[start:end])):
                return start
            start = end + 1
        return start

    def _layout(self, line: str) -> Layout | None:
        """The layout in which a record begins with this line; None: none does."""
        if line.startswith(INDENT):
            return None
        return next((one for one in self._layouts if one.begins(line)), None)


def _all(block: bytes, text: bytes) -> Iterator[int]:
    """Where a text stands, once a line."""
    found = block.find(text)
    while found >= 0:
        yield found
        found = block.find(text, _line_end(block, found))


def _text(lines: bytes) -> str:
    """Lines without the last one's end; others end in a newline alone."""
    text = lines.decode(errors="backslashreplace")
    return text.removesuffix("\n").removesuffix("\r").replace("\r\n", "\n")


def _line_end(block: bytes, inside: int) -> int:
    end = block.find(b"\n", inside)
    return len(block) if end < 0 else end
