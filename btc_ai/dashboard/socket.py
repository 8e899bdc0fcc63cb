"""A page's WebSocket: what the hub tells it, and the log lines that it asks for."""

import asyncio
import json
from contextlib import suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from btc_ai.dashboard.encoding import encode
from btc_ai.dashboard.errors import FieldsError
from btc_ai.dashboard.live import Listener
from btc_ai.dashboard.parts import Parts
from btc_ai.dashboard.tail import LogFilter, follow_logs
from btc_ai.errors import BtcAiError

TRY_AGAIN_LATER = 1013
CLOSE_S = 10.0
GONE = (WebSocketDisconnect, RuntimeError)
"""What Starlette raises where the page has gone."""


async def serve_page(parts: Parts, websocket: WebSocket) -> None:
    """Serve one page until it goes, or does not keep up."""
    await websocket.accept()
    listener = parts.hub.join(parts.boot)
    work = [
        asyncio.create_task(_send(websocket, listener), name="page: send"),
        asyncio.create_task(_receive(parts, websocket, listener), name="page: receive"),
        asyncio.create_task(listener.slow.wait(), name="page: keep up"),
    ]
    try:
        await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
    finally:
        parts.hub.leave(listener)
        for task in work:
            task.cancel()
        await asyncio.wait(work)
    if listener.slow.is_set():
        with suppress(TimeoutError, *GONE):
            async with asyncio.timeout(CLOSE_S):
                await websocket.close(TRY_AGAIN_LATER, "too slow; begin anew")


async def _send(websocket: WebSocket, listener: Listener) -> None:
    with suppress(*GONE):
        async for message in listener.messages():
            await websocket.send_text(message)


async def _receive(parts: Parts, websocket: WebSocket, listener: Listener) -> None:
    """Obey the page: which log lines it wants. One that asks for anything else is let go."""
    tail: asyncio.Task[None] | None = None
    try:
        while True:
            wanted = _filter_of(await websocket.receive_text())
            if tail is not None:
                tail.cancel()
            tail = None
            if wanted is not None:
                tail = asyncio.create_task(_tail(parts, listener, wanted), name="page: logs")
    except GONE:
        return
    except ValueError:
        with suppress(*GONE):
            await websocket.close(1008, "no such question")
    finally:
        if tail is not None:
            tail.cancel()


def _filter_of(text: str) -> LogFilter | None:
    """The filter in a message. Raises ValueError, of which pydantic's own is one."""
    asked: Any = json.loads(text)
    if not isinstance(asked, dict) or asked.get("type") != "logs":
        raise ValueError("no such question")
    return None if asked.get("filter") is None else LogFilter.model_validate(asked["filter"])


async def _tail(parts: Parts, listener: Listener, wanted: LogFilter) -> None:
    try:
        async for records in follow_logs(parts.config, wanted):
            listener.put(encode({"type": "log", "records": records}))
    except FieldsError:
        pass  # /api/logs says it where the filter is typed
    except BtcAiError as error:
        listener.put(encode({"type": "log_problem", "text": str(error)}))
