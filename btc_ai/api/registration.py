"""Lets the installed plugins add what they declare to a registry, in the process that uses it."""

from collections.abc import Callable, Sequence
from typing import Any

import pluggy

from btc_ai.api import hooks
from btc_ai.api.discovery import Manifest, discover
from btc_ai.api.service import Logger


def register_installed(
    what: str,
    declared: Callable[[Manifest], Sequence[str]],
    call: Callable[[Any], object],
    log: Logger,
) -> None:
    """Import each plugin that declares some of `what`, and `call` one of its hooks.

    A plugin that fails is left out, and logged.
    """
    for found in discover():
        if found.problem or found.manifest is None or not declared(found.manifest):
            continue
        manager = pluggy.PluginManager("btc_ai")
        manager.add_hookspecs(hooks)
        try:
            manager.register(found.load())
            call(manager.hook)
        except Exception:  # a fence: plugin load
            log.error(f"plugin {what}", plugin=found.entry_point.name, exc_info=True)
