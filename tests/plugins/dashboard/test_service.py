"""The dashboard's service: where it listens, what it says of itself, how it ends."""

import asyncio
import socket
from pathlib import Path

import httpx
import pytest

from btc_ai.api.errors import BtcAiError
from btc_ai.api.testing import FakeContext
from btc_ai.config import Config
from btc_ai.dashboard.serve import PORTS, open_door
from btc_ai.plugins.dashboard.service import DashboardService


async def _life(folder: Path, taken: int) -> None:
    raw = {"MODELS_DIR": str(folder / "Models"), "KEYS_DIR": str(folder / "Keys"),
           "DASHBOARD": {"PORT": taken}}  # fmt: skip
    context = FakeContext("dashboard", config=Config.model_validate(raw), may_send=["*"])
    service = DashboardService(context)
    assert service.status() == {} and service.commands() == ()
    await service.start()
    url = service.status()["url"]
    assert taken < int(url.rpartition(":")[2]) < taken + PORTS
    async with httpx.AsyncClient(base_url=url) as client:
        hello = (await client.get("/api/hello")).json()
        assert hello["mode"] == "daemon" and hello["link"]["connected"]
        assert "run folders" in hello["history"]["text"]
    await service.stop()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))).close()
    await context.close()


def test_where_the_port_is_taken_it_listens_at_the_next(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        asyncio.run(asyncio.wait_for(_life(tmp_path, taken.getsockname()[1]), 20))


def test_an_address_that_is_not_this_machines_is_refused() -> None:
    with pytest.raises(BtcAiError, match=r"cannot listen on 192\.0\.2\.1, .*DASHBOARD\.PORT"):
        open_door("192.0.2.1", 8765)
