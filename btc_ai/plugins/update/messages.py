"""The bodies of the `update.` commands and events; see `docs/messaging.md`."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from btc_ai import __version__
from btc_ai.api.messages import Event
from btc_ai.updates.offer import Offer, Received
from btc_ai.updates.order import Progress

Body = dict[str, Any]

LONGEST_CHANGELOG = 20_000
"""Characters; a message has an end."""


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class CheckBody(_Command):
    """Ask the server for the newest release that suits."""


class StatusBody(_Command):
    """What is known, asking nobody."""


class HistoryBody(_Command):
    """What was tried, newest first."""

    limit: int = Field(50, ge=1, le=200)


class VersionBody(_Command):
    """A release; left out: the newest that suits, or, to go back to, the one before this."""

    version: str | None = Field(None, max_length=64)


class Change(BaseModel):
    """What a release brings; changelog: Markdown."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    released: str
    changelog: str


class Available(Event):
    """A newer release than `current` is there; news: of it and those skipped, newest first."""

    kind = "update.available"

    version: str
    current: str
    released: str
    news: list[Change]
    todo: str

    @classmethod
    def of(cls, offer: Offer, todo: str) -> "Available":
        """An offer that has a version. todo: how to come by it."""
        news = shortened(offer.as_dict())["news"]
        return cls.model_validate(
            {
                "version": offer.version, "current": __version__, "news": news, "todo": todo,
                "released": news[0]["released"],
            }
        )  # fmt: skip


class Downloading(Event):
    """How far a download is: bytes of `total`, bytes a second, seconds to go (None: unknown)."""

    kind = "update.progress"

    bytes: int
    total: int
    rate: float
    eta: float | None

    @classmethod
    def of(cls, received: Received) -> "Downloading":
        """What the process that downloads says."""
        return cls.model_validate(vars(received))


class State(Event):
    """How far an update is; outcome: None while it is under way, or where it is downloaded alone.

    version: None where that is not known yet. before: the release that ran when it began.
    """

    kind = "update.state"

    version: str | None
    before: str | None
    step: str
    text: str
    outcome: Literal["good", "back", "failed"] | None
    by: str

    @classmethod
    def of(cls, progress: Progress) -> "State":
        """What the installation has written down."""
        return cls.model_validate(
            {
                "version": progress.order.version, "by": progress.order.by,
                **{name: getattr(progress, name) for name in ("before", "step", "text", "outcome")},
            }
        )  # fmt: skip


def shortened(offer: Body) -> Body:
    """An offer as a dictionary, its changelogs not longer than a message may be."""
    news = [{**one, "changelog": one["changelog"][:LONGEST_CHANGELOG]} for one in offer["news"]]
    return {**offer, "news": news}
