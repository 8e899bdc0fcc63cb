"""What is asked of the process that talks to an update server, and what it answers, as JSON."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from btc_ai.config import UpdateSystem
from btc_ai.errors import UpdateError
from btc_ai.updates.layout import Layout


@dataclass(frozen=True)
class Request:
    """settings: UPDATE_SYSTEM. root, desk: of the `Layout`.

    version: None for the newest that suits. fetch: download it; else look alone.
    """

    settings: dict[str, Any]
    root: str
    desk: str | None
    fetch: bool = False
    version: str | None = None
    allow_downgrade: bool = False


@dataclass(frozen=True)
class News:
    """What a release brings; changelog: Markdown."""

    version: str
    released: str
    changelog: str


@dataclass(frozen=True)
class Offer:
    """What may be updated to. checked: seconds since the epoch.

    version: None, there is nothing newer that suits. news: of it and those skipped over, newest
    first. notes: why others do not suit. bytes: of its wheels; lacking: of those that are to be
    fetched. staged: it can be installed without the network.
    """

    current: str
    server: str
    checked: float
    version: str | None = None
    news: list[News] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    bytes: int = 0
    lacking: int = 0
    staged: bool = False

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Received:
    """How far a download is: bytes of `total`, bytes a second, seconds to go (None: unknown)."""

    bytes: int
    total: int
    rate: float
    eta: float | None


def request(
    settings: UpdateSystem,
    layout: Layout,
    *,
    fetch: bool,
    version: str | None = None,
    allow_downgrade: bool = False,
) -> Request:
    """A request. Raises UpdateError where updates are switched off."""
    if not settings.ENABLED:
        raise UpdateError(
            "updates are switched off; to switch them on, set UPDATE_SYSTEM.ENABLED to true"
        )
    desk = str(layout.desk) if layout.desk else None
    values = settings.model_dump(mode="json")
    return Request(values, str(layout.root), desk, fetch, version, allow_downgrade)


def read_offer(body: dict[str, Any]) -> Offer:
    """The offer whose `as_dict` this is. Raises TypeError, KeyError for anything else."""
    return Offer(**{**body, "news": [News(**one) for one in body["news"]]})


def layout_of(asked: Request) -> Layout:
    """Where it keeps what."""
    return Layout(Path(asked.root), Path(asked.desk) if asked.desk else None)
