"""Signing in with the token, where the user cannot be told."""

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from btc_ai.api.threads import in_thread
from btc_ai.dashboard.parts import Parts
from btc_ai.dashboard.replies import Asked, error_reply, query_of
from btc_ai.dashboard.security import signed_in


class LoginQuery(Asked):
    """The token, as it stands in its file."""

    token: str = Field(max_length=200)


async def login(parts: Parts, request: Request) -> Response:
    """Put the token into a cookie, if it is the one."""
    token = query_of(request, LoginQuery).token
    if await in_thread(lambda: parts.access.is_token(token)):
        return signed_in(token)
    where = parts.access.token_file
    return error_reply(401, "token", f"this is not the token of this dashboard; see {where}")
