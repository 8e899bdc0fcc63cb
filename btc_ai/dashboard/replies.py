"""Answers as JSON: without NaN, packed where that pays, errors in one form."""

import gzip
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from btc_ai.api.threads import in_thread
from btc_ai.dashboard.encoding import encode
from btc_ai.dashboard.errors import FieldsError, status_of
from btc_ai.dashboard.parts import Parts
from btc_ai.errors import BtcAiError, ConfigError

WORTH_PACKING = 1024
PACKING = 4
MAX_REQUEST = 256 << 10

Handler = Callable[[Parts, Request], Awaitable[Any]]
Endpoint = Callable[[Request], Awaitable[Response]]


class Asked(BaseModel):
    """What a request asks for; keys that are not known are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


A = TypeVar("A", bound=Asked)


def answering(parts: Parts, handler: Handler) -> Endpoint:
    """An endpoint that answers what `handler` returns: a Response as it is, else as JSON."""

    async def endpoint(request: Request) -> Response:
        value = await handler(parts, request)
        return value if isinstance(value, Response) else await _reply(request, value)

    return endpoint


def query_of(request: Request, model: type[A]) -> A:
    """The checked query. Raises FieldsError; what is empty is as if it were not there."""
    return _checked(model, {key: one for key, one in request.query_params.items() if one})


async def body_of(request: Request, model: type[A]) -> A:
    """The checked JSON body. Raises FieldsError."""
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > MAX_REQUEST:
            raise FieldsError(f"a request has at most {MAX_REQUEST >> 10} KiB", {})
    try:
        value = json.loads(read)
    except (ValueError, RecursionError):
        raise FieldsError("the request's body is no JSON", {}) from None
    return _checked(model, value)


def _checked(model: type[A], value: object) -> A:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        fields = {".".join(map(str, one["loc"])): one["msg"] for one in error.errors()}
        said = "; ".join(f"{name}: {text}" if name else text for name, text in fields.items())
        raise FieldsError(said[:1000], fields) from None


async def _reply(request: Request, value: Any) -> Response:
    packed = "gzip" in request.headers.get("accept-encoding", "")

    def make() -> Response:
        body = encode(value).encode()
        headers = {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}
        if packed and len(body) > WORTH_PACKING:
            body = gzip.compress(body, PACKING, mtime=0)
            headers["Content-Encoding"] = "gzip"
        return Response(body, media_type="application/json", headers=headers)

    return await in_thread(make)


def error_reply(status: int, code: str, message: str, **more: Any) -> Response:
    """An error as the pages expect it."""
    error = {"code": code, "message": message, **more}
    return Response(
        encode({"error": error}), status, media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )  # fmt: skip


async def on_known_error(request: Request, error: Exception) -> Response:
    """What a user can mend, in its own words."""
    assert isinstance(error, BtcAiError)
    fields = error.fields if isinstance(error, FieldsError) else None
    fields = error.faults if isinstance(error, ConfigError) else fields
    more = {"fields": fields} if fields else {}
    return error_reply(status_of(error), error.code, str(error), **more)


async def on_http_error(request: Request, error: Exception) -> Response:
    """An address or a method that there is not."""
    assert isinstance(error, HTTPException)
    code = "not_found" if error.status_code == 404 else "usage"
    return error_reply(error.status_code, code, f"{request.url.path}: {error.detail}")


async def on_unknown_error(request: Request, error: Exception) -> Response:
    """A fault of ours; the server logs it."""
    return error_reply(500, "internal", "the dashboard failed at this; its log has the details")
