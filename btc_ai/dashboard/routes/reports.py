"""Reports: asked for, being made, and read."""

from dataclasses import asdict

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from btc_ai.api.service import Body
from btc_ai.api.threads import in_thread
from btc_ai.dashboard.parts import Parts
from btc_ai.dashboard.replies import Asked, body_of
from btc_ai.dashboard.reports import Form

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox"
)
"""A report has its styles in it, and no scripts."""
MEDIA = {"html": "text/html", "pdf": "application/pdf", "json": "application/json"}


class ReportBody(Asked):
    """A report of a run; None: the newest."""

    run: str | None = Field(None, max_length=64)
    format: Form = "html"


async def make(parts: Parts, request: Request) -> Body:
    """Begin one."""
    asked = await body_of(request, ReportBody)
    return {"report": parts.reports.make(asked.run, asked.format)}


async def state(parts: Parts, request: Request) -> Body:
    """How far one is."""
    return asdict(parts.reports.state(request.path_params["report"]))


async def listed(parts: Parts, request: Request) -> Body:
    """Those there are."""
    return {"reports": await in_thread(parts.reports.listed)}


async def read(parts: Parts, request: Request) -> Response:
    """One of them."""
    name = request.path_params["name"]
    content = await in_thread(lambda: parts.reports.read(name))
    headers = {"Cache-Control": "no-cache"}
    if name.endswith(".html"):
        headers["Content-Security-Policy"] = POLICY
    return Response(content, media_type=MEDIA[name.rpartition(".")[2]], headers=headers)
