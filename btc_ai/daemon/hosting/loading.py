"""What a plugin declares, once its code is loaded: in the daemon, or in a process of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from btc_ai.api.discovery import Found
from btc_ai.api.messages import Event
from btc_ai.api.metrics import MetricsSink
from btc_ai.api.panels import Panel
from btc_ai.api.registration import hooks_of
from btc_ai.api.service import Body, Command, Service
from btc_ai.daemon.hosting.context import ServiceContext
from btc_ai.errors import ConfigError, PluginError


@dataclass(frozen=True)
class Loaded:
    """A plugin's service, and all else that its hooks named."""

    service: Service | None
    commands: tuple[Command, ...]
    events: tuple[type[Event], ...]
    sinks: tuple[MetricsSink, ...]
    panels: tuple[Panel, ...]
    settings: type[BaseModel] | None

    @property
    def runs(self) -> bool:
        """Whether there is anything to run."""
        return self.service is not None or bool(self.sinks)


def load(found: Found, context: ServiceContext, settings: Mapping[str, Any]) -> Loaded:
    """Import a plugin and call its hooks. Raises whatever they do, and PluginError."""
    hook = hooks_of(found)
    model = _one(hook.btc_ai_settings(), "model of settings")
    context.settings = checked_settings(found.name, model, settings)
    events = tuple(one for named in hook.btc_ai_messages() for one in named)
    context.events = frozenset(one.kind for one in events)
    service = _one(hook.btc_ai_service(context=context), "service")
    commands = tuple(service.commands()) if service is not None else ()
    check_names(found.name, [one.kind for one in commands])
    return Loaded(
        service=service,
        commands=commands,
        events=events,
        sinks=tuple(one for made in hook.btc_ai_metrics_sinks(context=context) for one in made),
        panels=tuple(one for named in hook.btc_ai_panels() for one in named),
        settings=model,
    )


def settings_model(found: Found) -> type[BaseModel] | None:
    """The model of a plugin's settings, which is imported for it."""
    model: type[BaseModel] | None = _one(hooks_of(found).btc_ai_settings(), "model of settings")
    return model


def checked_settings(
    name: str, model: type[BaseModel] | None, settings: Mapping[str, Any]
) -> BaseModel | None:
    """The settings as the plugin's model. Raises ConfigError with all that is wrong."""
    if model is None:
        if settings:
            raise ConfigError(f"PLUGINS.{name}.SETTINGS: the plugin takes no settings")
        return None
    try:
        return model.model_validate(dict(settings))
    except ValidationError as error:
        wrong = (
            ".".join(("SETTINGS", *map(str, one["loc"]))) + f": {one['msg']}"
            for one in error.errors(include_input=False)
        )
        raise ConfigError(f"PLUGINS.{name} has settings to mend: {'; '.join(wrong)}") from None


def _one(made: Sequence[Any], what: str) -> Any:
    if len(made) > 1:
        raise PluginError(f"offers more than one {what}")
    return made[0] if made else None


def check_names(name: str, kinds: Sequence[str]) -> None:
    """Raise PluginError where commands are another's, or twice there."""
    if others := [kind for kind in kinds if not kind.startswith(f"{name}.")]:
        raise PluginError(f"offers {', '.join(others)}: a command begins with {name}.")
    if twice := {kind for kind in kinds if kinds.count(kind) > 1}:
        raise PluginError(f"the command {', '.join(twice)} is offered twice")


def description(loaded: Loaded) -> Body:
    """What the daemon, and `btc-ai plugins info`, know of a loaded plugin."""
    return {
        "commands": [_row(one) for one in loaded.commands],
        "events": [{"kind": one.kind, "schema": _schema(one)} for one in loaded.events],
        "panels": [vars(one) for one in loaded.panels],
        "settings": _schema(loaded.settings) if loaded.settings else None,
        "runs": loaded.runs,
    }  # fmt: skip


def _row(one: Command) -> Body:
    return {
        "kind": one.kind, "timeout": one.timeout, "role": one.role, "schema": _schema(one.body),
    }  # fmt: skip


def _schema(model: type[BaseModel]) -> Body:
    return model.model_json_schema()
