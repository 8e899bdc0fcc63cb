"""Makes a plugin's process fail: put this folder on PYTHONPATH, and name the fault in a file.

BTC_AI_FAULT_FILE names a file that holds `plugin fault`, read as each plugin's process starts. The
plugin itself is the real one: what it offers is wrapped, in its own process and nowhere else.
FILE.mark says, of a fault that the plugin survives, that it has come about.
"""

import asyncio
import ctypes
import os
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

AFTER_S = 0.2
FLOOD = 4 << 20


def _mark(text: str) -> None:
    Path(os.environ["BTC_AI_FAULT_FILE"] + ".mark").write_text(text)


def _import_error() -> None:
    raise ImportError("no module named as it was")


def _syntax_error() -> None:
    compile("def", "plugin.py", "exec")


def _system_exit() -> None:
    raise SystemExit(3)


def _hard_exit() -> None:
    os._exit(7)


def _segfault() -> None:
    ctypes.string_at(0)


def _hold_the_gil() -> None:
    while True:
        pass


def _allocate() -> None:
    try:
        _kept.append(bytearray(4 << 30))
    except MemoryError:
        _mark("MemoryError")
        raise


def _flood_stdout() -> None:
    def write() -> None:
        written = 0
        while True:
            written += os.write(1, b"x" * 4096 + b"\n")
            if written > FLOOD:
                _mark("flooded")

    threading.Thread(target=write, daemon=True).start()


def _raise() -> None:
    raise ZeroDivisionError("by zero")


_kept: list[bytearray] = []
AT_IMPORT: dict[str, Callable[[], None]] = {
    "import-error": _import_error, "syntax-error": _syntax_error, "system-exit": _system_exit,
    "hard-exit": _hard_exit, "segfault": _segfault, "hang-import": _hold_the_gil,
    "big-import": _allocate,
}  # fmt: skip
"""Faults while the plugin is imported."""
LATER: dict[str, Callable[[], None]] = {
    "late-exit": _hard_exit, "late-segfault": _segfault, "gil": _hold_the_gil,
    "allocate": _allocate, "flood-stdout": _flood_stdout,
}  # fmt: skip
"""Faults shortly after its service has started."""


FLOODS = {"flood-events": (100, 1000), "flood-big-events": (200_000, 20)}
"""Events without end: the length of their text, and how many between two turns of the loop."""


class _Faulty:
    """The real service, and a fault."""

    def __init__(self, service: Any, context: Any, fault: str) -> None:
        self._service, self._context, self._fault = service, context, fault

    def commands(self) -> Sequence[Any]:
        from dataclasses import replace

        async def fail(body: object, call: object) -> Any:
            _raise()

        rows: Sequence[Any] = self._service.commands()
        return [replace(one, handler=fail) for one in rows] if self._fault == "handler" else rows

    async def start(self) -> None:
        await self._service.start()
        if self._fault == "start":
            _raise()
        if self._fault in LATER:
            asyncio.get_running_loop().call_later(AFTER_S, LATER[self._fault])
        if self._fault in FLOODS:
            self._context.spawn("flood", self._flood(*FLOODS[self._fault]))

    async def _flood(self, length: int, at_once: int) -> None:
        from btc_ai.api.messages import Event

        kind = next(iter(self._context.events), None) or self._context.name
        self._context.events |= {kind}
        made = type("Flood", (Event,), {"kind": kind, "__annotations__": {"text": str}})
        while True:
            for _ in range(at_once):
                self._context.publish(made(text="x" * length))
            _mark("flooded")
            await asyncio.sleep(0)

    async def stop(self) -> None:
        await self._service.stop()

    def status(self) -> Any:
        return self._service.status()


def _wrapped(module: Any, fault: str) -> Any:
    from types import SimpleNamespace

    from btc_ai.api import hookimpl

    real = {name: value for name, value in vars(module).items() if name.startswith("btc_ai_")}

    @hookimpl
    def btc_ai_service(context: Any) -> Any:
        if fault == "hook":
            _raise()
        return _Faulty(real["btc_ai_service"](context), context, fault)

    return SimpleNamespace(**{**real, "btc_ai_service": btc_ai_service})


def _install() -> None:
    file = os.environ.get("BTC_AI_FAULT_FILE")
    if not file or "btc_ai.daemon.hosting.child" not in sys.orig_argv:
        return
    plugin, _, fault = Path(file).read_text().strip().partition(" ")
    if plugin != sys.orig_argv[-1]:
        return
    load = EntryPoint.load

    def faulty(point: EntryPoint) -> Any:
        if point.name == plugin and fault in AT_IMPORT:
            AT_IMPORT[fault]()
        return _wrapped(load(point), fault)

    EntryPoint.load = faulty  # type: ignore[assignment, method-assign]


_install()
