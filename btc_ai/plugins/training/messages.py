"""The bodies of the `training.` commands; see `docs/messaging.md`."""

from pydantic import BaseModel, ConfigDict, Field


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class StartBody(_Body):
    """What to train. What is left out comes from the configuration."""

    sequence: list[str] | None = Field(None, min_length=1)
    bucket: str | None = None
    episodes: int | None = Field(None, ge=1)
    resume: bool = False
    transfer: bool = True
    seed: int | None = Field(None, ge=0, lt=2**63)
    symbol: str | None = None
    interval: str | None = None
    market: str | None = None


class RunsBody(_Body):
    """How many runs to list."""

    limit: int = Field(20, ge=1, le=500)


class RunBody(_Body):
    """A run: its id, the beginning of one, or nothing for the newest."""

    run: str | None = None


class HistoryBody(RunBody):
    """The metrics of one step after an episode; at most `limit` rows."""

    position: int = Field(ge=0)
    after: int = Field(0, ge=0)
    limit: int = Field(1000, ge=1, le=2000)
