"""Lets the installed plugins add what they declare to a registry, in the process that uses it."""

import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pluggy

from btc_ai.api import hooks
from btc_ai.api.discovery import Added, Found, Manifest, added, discover, unknown
from btc_ai.api.service import Logger
from btc_ai.errors import BtcAiError, PluginError


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
        try:
            call(hooks_of(found))
        except Exception:  # a fence: plugin load
            log.error(f"plugin {what}", plugin=found.name, exc_info=True)


def register_declared(what: Added, name: str, registry: object) -> None:
    """Import the one plugin that declares `name`, and let it add its own to the registry.

    Raises PluginError where no usable plugin does, and where it fails, saying why.
    """
    for found in discover():
        if found.problem or found.manifest is None or name not in getattr(found.manifest, what):
            continue
        try:
            getattr(hooks_of(found), f"btc_ai_{what}")(registry=registry)
        except (Exception, SystemExit) as error:  # a fence: plugin load
            plugin = found.name
            raise PluginError(f"the plugin {plugin} cannot be used: {reason(error)}") from error
        return
    raise PluginError(unknown(what, name, added(what)))


def reason(error: BaseException) -> str:
    """One line on what a plugin raised: its own words, or the kind of error and its place."""
    if isinstance(error, BtcAiError):
        return str(error)
    last = traceback.extract_tb(error.__traceback__)[-1:]
    place = "".join(f" ({Path(frame.filename).name}, line {frame.lineno})" for frame in last)
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}{place}"


def hooks_of(found: Found) -> Any:
    """The hooks of a plugin, which is imported, to be called. Raises whatever that raises."""
    manager = pluggy.PluginManager("btc_ai")
    manager.add_hookspecs(hooks)
    manager.register(found.load())
    manager.check_pending()
    return manager.hook
