"""Panels: what a plugin adds to the dashboard, declared and drawn from one of its commands."""

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Panel:
    """A panel of the dashboard: what `command` answers, asked every `every_s` seconds.

    kind: `text` shows the result's `text`; `table` its `rows`, a list of maps with the same keys;
    `line` its `series`, a map of a name to a list of [x, y].
    """

    name: str
    title: str
    command: str
    kind: Literal["text", "table", "line"] = "table"
    arguments: dict[str, Any] = field(default_factory=dict)
    every_s: float = 5.0
