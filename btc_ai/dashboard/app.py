"""The dashboard's addresses, on one screen."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from btc_ai.dashboard.errors import NotFoundError
from btc_ai.dashboard.parts import Parts
from btc_ai.dashboard.replies import (
    Handler,
    answering,
    on_http_error,
    on_known_error,
    on_unknown_error,
)
from btc_ai.dashboard.routes import (
    commands,
    events,
    hello,
    login,
    logs,
    overview,
    reports,
    runs,
    settings,
    system,
    transfers,
)
from btc_ai.dashboard.security import LOGIN, Guard
from btc_ai.dashboard.socket import serve_page
from btc_ai.dashboard.static import Static
from btc_ai.errors import BtcAiError

DATA = ("/api/", "/static/", "/ws")
"""Where programs and our own pages ask, who are told in JSON what is not there."""
PAGES = ("", "overview", "training", "transfer", "system", "logs", "board", "settings", "help")


def make_app(parts: Parts, static: Static | None = None) -> Starlette:
    """The dashboard as an ASGI app; static: its pages' files, unless the usual ones."""
    static = static or Static()

    def get(path: str, handler: Handler) -> Route:
        return Route(path, answering(parts, handler), methods=["GET"])

    def post(path: str, handler: Handler) -> Route:
        return Route(path, answering(parts, handler), methods=["POST"])

    async def socket(websocket: WebSocket) -> None:
        await serve_page(parts, websocket)

    async def nothing_there(request: Request, error: Exception) -> Response:
        if not request.url.path.startswith(DATA):
            return await static.missing(request)
        known = isinstance(error, BtcAiError)
        return await (on_known_error if known else on_http_error)(request, error)

    routes: list[BaseRoute] = [
        *(Route(f"/{page}", static.index) for page in PAGES),
        Route("/static/{name:path}", static.file),
        get(LOGIN, login.login),
        WebSocketRoute("/ws", socket),
        get("/api/hello", hello.hello),
        get("/api/overview", overview.overview),
        get("/api/runs", runs.runs),
        get("/api/runs/{run}", runs.run),
        get("/api/runs/{run}/curves", runs.curves),
        get("/api/runs/{run}/curves.csv", runs.curves_csv),
        get("/api/runs/{run}/curves.json", runs.curves_json),
        get("/api/runs/{run}/features", runs.features),
        get("/api/transfers", transfers.transfers),
        get("/api/transfers/{transfer}", transfers.transfer),
        get("/api/system", system.system),
        get("/api/events", events.events),
        get("/api/logs", logs.logs),
        get("/api/settings", settings.settings),
        post("/api/settings", settings.change),
        post("/api/commands", commands.command),
        get("/api/panels/{plugin}/{name}", commands.panel),
        get("/api/plugins", commands.plugins),
        get("/api/reports", reports.listed),
        post("/api/reports", reports.make),
        get("/api/reports/{report}", reports.state),
        get("/reports/{name}", reports.read),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, parts=parts)],
        exception_handlers={
            404: nothing_there,
            NotFoundError: nothing_there,
            BtcAiError: on_known_error,
            HTTPException: on_http_error,
            Exception: on_unknown_error,
        },
    )
