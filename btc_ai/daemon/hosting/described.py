"""What a plugin's process says of itself, checked: it may say anything."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from btc_ai.api.service import Body, Role
from btc_ai.daemon.hosting.loading import check_names
from btc_ai.errors import PluginError

MAX_TIMEOUT_S = 3600.0
KIND = r"^[a-z][a-z0-9_.]{0,63}$"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


class DescribedEvent(_Strict):
    """An event that it publishes. fields: its JSON schema."""

    kind: str = Field(pattern=KIND)
    fields_: dict[str, Any] = Field(alias="schema")


class DescribedCommand(DescribedEvent):
    """A command that it answers."""

    timeout: float = Field(gt=0, le=MAX_TIMEOUT_S)
    role: Role


class Description(_Strict):
    """All that it declares; as `btc_ai.daemon.hosting.loading.description` makes it."""

    commands: list[DescribedCommand]
    events: list[DescribedEvent]
    panels: list[dict[str, Any]]
    settings: dict[str, Any] | None
    runs: bool

    @classmethod
    def of(cls, name: str, answer: Body) -> Self:
        """The description in an answer. Raises PluginError where it is none of this plugin's."""
        try:
            made = cls.model_validate(answer)
        except ValidationError as error:
            raise PluginError(f"describes itself wrongly: {error.errors()[0]['msg']}") from None
        check_names(name, [one.kind for one in made.commands])
        return made
