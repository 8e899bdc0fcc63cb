"""What every request has to pass: the right name, the right origin, a user or a token, CSRF."""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from btc_ai.api.threads import in_thread
from btc_ai.dashboard.access import COOKIE
from btc_ai.dashboard.parts import Parts
from btc_ai.dashboard.peers import is_loopback
from btc_ai.dashboard.replies import error_reply
from btc_ai.errors import BtcAiError

CSRF_HEADER = "x-csrf-token"
SAFE = ("GET", "HEAD", "OPTIONS")
LOGIN = "/login"
DATA = ("/api/", "/ws")
CLOSE_REASON = 100
POLICY = (
    "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "
    "object-src 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
SIGNED_IN_S = 30 * 24 * 3600


def host_names(address: str, port: int, named: Iterable[str]) -> frozenset[str]:
    """The Host headers that are ours: loopback names, the address itself, and those of HOSTS."""
    own = ["127.0.0.1", "localhost", "[::1]"]
    own += [] if is_loopback(address) else [f"[{address}]" if ":" in address else address]
    return frozenset(f"{name}:{port}" for name in own) | foreign_names(port, named)


def foreign_names(port: int, named: Iterable[str]) -> frozenset[str]:
    """The Host headers of HOSTS: as they stand there, and with the port."""
    return frozenset(form for name in named for form in (name, f"{name}:{port}"))


class Guard:
    """In front of everything, HTTP and WebSocket alike."""

    def __init__(self, app: ASGIApp, parts: Parts) -> None:
        """Before an app."""
        self._app, self._parts = app, parts
        self._origins = {f"{how}://{name}" for name in parts.hosts for how in ("http", "https")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or hand on with headers that keep the pages to themselves."""
        asked = scope["type"] in ("http", "websocket")
        refused = await self._refused(scope, Headers(scope=scope)) if asked else None
        if refused is None:
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            reason = refused.message[:CLOSE_REASON]
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        else:
            reply = error_reply(refused.status, refused.code, refused.message)
            await reply(scope, receive, _with_headers(send))

    async def _refused(self, scope: Scope, headers: Headers) -> "_Refused | None":
        if (refused := self._foreign(scope, headers)) or scope["path"] == LOGIN:
            return refused
        return await self._unknown(scope, headers) or self._forged(scope, headers)

    def _foreign(self, scope: Scope, headers: Headers) -> "_Refused | None":
        """The refusal of what another page sent, be it under another name or our own."""
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0] not in self._parts.hosts:
            return _Refused(403, "host", "this name is none of the dashboard's (DASHBOARD.HOSTS)")
        site = headers.get("sec-fetch-site", "none")
        elsewhere = site not in ("same-origin", "none") and scope["path"].startswith(DATA)
        if elsewhere or any(one not in self._origins for one in headers.getlist("origin")):
            return _Refused(403, "origin", "another page may not use the dashboard")
        return None

    async def _unknown(self, scope: Scope, headers: Headers) -> "_Refused | None":
        """The refusal of who may not see the dashboard."""
        access = self._parts.access
        ends = scope.get("client") or ("", 0), scope.get("server") or ("", 0)
        try:
            who = await in_thread(lambda: access.who(headers, cookie_of(headers), *ends))
        except BtcAiError as error:
            return _Refused(401, "token", str(error))
        scope["who"] = who
        return None if who else _Refused(401, "token", await in_thread(access.advice))

    def _forged(self, scope: Scope, headers: Headers) -> "_Refused | None":
        """The refusal of what changes something and does not come from the dashboard's pages."""
        given, own = headers.get(CSRF_HEADER, ""), self._parts.csrf
        safe = scope["type"] == "websocket" or scope["method"] in SAFE
        if safe or hmac.compare_digest(given.encode(), own.encode()):
            return None
        return _Refused(403, "csrf", "the header X-CSRF-Token is missing or of another server")


@dataclass(frozen=True)
class _Refused:
    status: int
    code: str
    message: str


def cookie_of(headers: Headers) -> str:
    """The token that the browser keeps; empty where it has none."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def signed_in(token: str) -> Response:
    """To the dashboard, with the token in a cookie that no script sees and no other site sends."""
    response = RedirectResponse("/", 303)
    response.set_cookie(
        COOKIE, token, max_age=SIGNED_IN_S, httponly=True, samesite="strict", path="/"
    )
    return response


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending
