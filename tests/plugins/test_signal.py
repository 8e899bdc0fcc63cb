import asyncio
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from btc_ai.api.testing import FakeContext, ask, settle
from btc_ai.config import Config
from btc_ai.plugins.signal import service
from btc_ai.plugins.signal.service import SignalService
from btc_ai.plugins.signal.worker import export_file

Body = dict[str, Any]
exporting, go_on = threading.Event(), threading.Event()
SIGNAL: Body = {
    "symbol": "BTC/USDT", "interval": "5m", "synthetic": False, "time": 1, "close": 2.0,
    "buckets": [], "position": 0.5, "horizons": [],
}  # fmt: skip


def quick_predict(arguments: Body, context: object) -> Body:
    return SIGNAL


def slow_history(arguments: Body, context: object) -> Body:
    exporting.set()
    assert go_on.wait(60)
    return {"folder": arguments["folder"]}


def with_a_model(folder: Path) -> FakeContext:
    model = folder / "Models" / "Short" / "latest"
    model.mkdir(parents=True)
    card = {"created": "2024-01-01", "symbol": "BTC/USDT", "interval": "5m"}
    (model / "model.json").write_text(json.dumps(card))
    config = Config.model_validate({"MODELS_DIR": "Models"}, context={"base": folder})
    return FakeContext("signal", config=config)


def test_nobodys_live_signal_waits_for_an_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "STEP", f"{__name__}:quick_predict")
    monkeypatch.setattr(service, "HISTORY_STEP", f"{__name__}:slow_history")

    async def run() -> None:
        made = SignalService(with_a_model(tmp_path))
        export = asyncio.create_task(ask(made, "signal.history", {"bucket": "Short"}))
        await settle()
        assert await asyncio.to_thread(exporting.wait, 60)
        try:
            async with asyncio.timeout(30):
                assert (await ask(made, "signal.predict"))["position"] == 0.5
            assert not export.done()
        finally:
            go_on.set()
        assert await export == {"folder": str(tmp_path / "Models" / "_signals")}
        await made.stop()

    asyncio.run(run())


def test_exports_do_not_pile_up(tmp_path: Path) -> None:
    folder = tmp_path / "_signals"
    old, new = (export_file(folder, "Short") for _ in range(2))
    for path in (old, new):
        path.write_bytes(b"signals")
    an_age = time.time() - 7200
    os.utime(old, (an_age, an_age))
    third = export_file(folder, "Short")
    assert third not in (old, new)
    assert list(folder.iterdir()) == [new]
