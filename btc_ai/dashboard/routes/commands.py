"""What pages may have the daemon do, from an explicit list; panels; plugins."""

from typing import Any, Literal

from pydantic import Field
from starlette.requests import Request

from btc_ai.api.service import Body
from btc_ai.bus.codec import Envelope, FrameError, encode
from btc_ai.dashboard.bus import PluginBus
from btc_ai.dashboard.errors import NotFoundError
from btc_ai.dashboard.parts import Parts
from btc_ai.dashboard.replies import Asked, body_of
from btc_ai.errors import UsageError

Kind = Literal[
    "training.start", "training.stop", "training.pause", "training.continue",
    "transfer.plan", "transfer.start",
    "evaluation.evaluate", "evaluation.audit", "evaluation.stop", "evaluation.show",
    "daemon.log_level", "daemon.enable", "daemon.disable",
    "update.check", "update.status", "update.history", "update.download", "update.install",
    "update.rollback",
]  # fmt: skip
"""Every command that a page may send."""
HARMLESS = ("transfer.plan", "evaluation.show", "update.check", "update.status", "update.history")


class CommandBody(Asked):
    """A command of the list, and what the daemon is to check of it."""

    kind: Kind
    body: dict[str, Any] = Field(default_factory=dict)


async def command(parts: Parts, request: Request) -> Body:
    """Hand a command on, and its result back."""
    asked = await body_of(request, CommandBody)
    _refuse(parts, asked)
    if asked.kind not in HARMLESS:
        parts.log.info("command from a page", kind=asked.kind, who=request.scope["who"])
    return {"result": await parts.bus.call(asked.kind, asked.body)}


def _refuse(parts: Parts, asked: CommandBody) -> None:
    """Raise UsageError for what the bus cannot carry, and for what would end who answers."""
    try:
        encode(Envelope(asked.kind, asked.body, "dashboard"))
    except FrameError as error:
        raise UsageError(str(error)) from None
    of_daemon = isinstance(parts.bus, PluginBus)
    if of_daemon and asked.kind == "daemon.disable" and asked.body.get("plugin") == "dashboard":
        raise UsageError(
            "this page is served by the plugin dashboard; disable it with "
            "`btc-ai plugins disable dashboard`"
        )


async def panel(parts: Parts, request: Request) -> Body:
    """What fills a panel: the answer of the command that its plugin has named. No other is sent."""
    plugin, name = request.path_params["plugin"], request.path_params["name"]
    shown = await parts.bus.call("daemon.plugin", {"plugin": plugin})
    for one in shown.get("panels", ()):
        if one["name"] == name:
            return await parts.bus.call(one["command"], one["arguments"])
    raise NotFoundError(f"{plugin} has no panel {name[:60]!r}")


async def plugins(parts: Parts, request: Request) -> Body:
    """The plugins, as `daemon.status` tells them; none while no daemon is heard."""
    if not parts.hub.connected:
        return {"plugins": []}
    return {"plugins": (await parts.bus.call("daemon.status", {}))["plugins"]}
