"""Events, newest first."""

from dataclasses import asdict

from pydantic import Field
from starlette.requests import Request

from btc_ai.api.service import Body
from btc_ai.dashboard.parts import Parts
from btc_ai.dashboard.replies import Asked, query_of


class EventsQuery(Asked):
    """As in `History.events`."""

    before: int | None = Field(None, ge=0)
    kind: str | None = Field(None, max_length=64)
    run: str | None = Field(None, max_length=64)
    limit: int = Field(100, ge=1, le=500)


async def events(parts: Parts, request: Request) -> Body:
    """A page of events, and whether there are more."""
    asked = query_of(request, EventsQuery).model_dump()
    limit = asked.pop("limit")
    found = await parts.store.ask(lambda history: history.events(limit=limit + 1, **asked))
    return {"events": [asdict(one) for one in found[:limit]], "more": len(found) > limit}
