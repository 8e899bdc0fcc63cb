"""The ledger of transfers."""

from dataclasses import asdict

from pydantic import Field
from starlette.requests import Request

from btc_ai.api.service import Body
from btc_ai.dashboard.errors import NotFoundError
from btc_ai.dashboard.parts import Parts
from btc_ai.dashboard.replies import Asked, query_of
from btc_ai.history.answers import TransferRow


class TransfersQuery(Asked):
    """A page of transfers, newest first."""

    limit: int = Field(50, ge=1, le=500)
    offset: int = Field(0, ge=0)


async def transfers(parts: Parts, request: Request) -> Body:
    """A page of the ledger, and whether there are more."""
    asked = query_of(request, TransfersQuery)
    found = await parts.store.ask(
        lambda history: history.transfers(limit=asked.limit + 1, offset=asked.offset)
    )
    rows = [asdict(one) for one in found[: asked.limit]]
    return {"transfers": rows, "more": len(found) > asked.limit}


async def transfer(parts: Parts, request: Request) -> Body:
    """One transfer by its id. Raises NotFoundError."""
    name = request.path_params["transfer"]
    found: TransferRow | None = await parts.store.ask(lambda history: history.transfer(name))
    if found is None:
        raise NotFoundError(f"there is no transfer {name[:60]!r}")
    return asdict(found)
