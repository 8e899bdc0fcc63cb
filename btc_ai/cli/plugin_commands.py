"""Sub-commands that plugins add to `btc-ai`: named in manifests, imported when they are run."""

import importlib
import traceback
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from btc_ai.errors import BtcAiError, PluginError

PANEL = "Commands of plugins"


class PluginCommand(TyperCommand):
    """A plugin's sub-command, of which the manifest tells the name and one line of help."""

    def __init__(self, name: str, app: str, help_line: str, plugin: str) -> None:
        """Nothing of the plugin is imported yet."""
        super().__init__(name, help=help_line, rich_help_panel=PANEL)
        self._app, self._plugin = app, plugin

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **more: Any) -> Any:
        """The context of the real command, which is imported now."""
        return self._real().make_context(info_name, args, *rest, **more)

    def _real(self) -> Any:
        module, _, attribute = self._app.partition(":")
        try:
            app = getattr(importlib.import_module(module), attribute)
            return typer.main.get_command(app)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a fence: plugin load
            raise PluginError(
                f"the command {self.name} of the plugin {self._plugin} cannot be loaded: "
                f"{type(error).__name__}: {error}; update or remove the plugin"
            ) from None

    def failure(self, error: Exception) -> PluginError:
        """What it let escape, in one line: which plugin it is, and where in it."""
        package = self._app.partition(":")[0].partition(".")[0]
        frames = list(traceback.walk_tb(error.__traceback__))
        own = [one for one in frames if _package(one[0].f_globals) == package]
        frame, line = (own or frames)[-1]
        said = " ".join(f"{type(error).__name__}: {error}".split())
        return PluginError(
            f"the command {self.name} of the plugin {self._plugin} failed: {said} "
            f"({frame.f_code.co_filename}:{line})"
        )


def _package(names: dict[str, Any]) -> str:
    return str(names.get("__name__", "")).partition(".")[0]


class Root(TyperGroup):
    """The commands of BTC-AI, then those of plugins; a plugin cannot take a name that is taken."""

    _used: PluginCommand | None = None

    def main(self, *args: Any, **more: Any) -> Any:
        """Run a command. Raises PluginError for what a plugin's lets escape."""
        try:
            return super().main(*args, **more)
        except BtcAiError:
            raise
        except Exception as error:
            if self._used is None:
                raise
            raise self._used.failure(error) from None

    def list_commands(self, ctx: Any) -> list[str]:
        """All names; reads the manifests."""
        own = super().list_commands(ctx)
        return [*own, *(name for name in sorted(_of_plugins()) if name not in own)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One command; the manifests are read where it is none of BTC-AI's own."""
        if (own := super().get_command(ctx, cmd_name)) is not None:
            return own
        self._used = _of_plugins().get(cmd_name)
        return self._used


def _of_plugins() -> dict[str, PluginCommand]:
    from btc_ai.api.discovery import discover

    return {
        name: PluginCommand(name, declared.app, declared.help, found.name)
        for found in discover()
        if found.manifest is not None and not found.problem
        for name, declared in found.manifest.cli.items()
    }
