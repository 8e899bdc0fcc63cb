"""The signal service: asks a warm worker what the latest models say, and publishes it.

The past of a model is written by a worker of its own, so that nobody's live signal waits for it.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path

from btc_ai.api.errors import BtcAiError, TrainingError
from btc_ai.api.service import Body, Call, Command, Context, Worker
from btc_ai.api.settings import bucket_settings, market_of, milliseconds
from btc_ai.paths import candle_file, latest_model
from btc_ai.plugins.signal.messages import FollowBody, HistoryBody, ModelsBody, PredictBody, Signal

STEP = "btc_ai.plugins.signal.worker:predict_step"
HISTORY_STEP = "btc_ai.plugins.signal.worker:history_step"
LOOK_EVERY_S = 0.5
PREDICT_LIMIT_S = 120.0
HISTORY_LIMIT_S = 600.0
FOLDER = "_signals"
"""In MODELS_DIR: files on their way to whoever asked for them."""


class SignalService:
    """Answers `signal.predict`, and follows the candles while somebody asks for it."""

    def __init__(self, context: Context) -> None:
        """A service over its context; its worker starts with the first question."""
        self._context = context
        self._worker: Worker | None = None
        self._exporter: Worker | None = None
        self._turn, self._export_turn = asyncio.Lock(), asyncio.Lock()
        self._until: dict[str, float] = {}

    def commands(self) -> Sequence[Command]:
        """The rows of the dispatch table."""
        return (
            Command("signal.predict", PredictBody, self._predict, PREDICT_LIMIT_S, role="viewer"),
            Command("signal.history", HistoryBody, self._history, HISTORY_LIMIT_S),
            Command("signal.follow", FollowBody, self._follow, role="viewer"),
        )

    async def start(self) -> None:
        """Nothing to begin: it works when it is asked."""

    async def stop(self) -> None:
        """End the workers."""
        workers = (self._worker, self._exporter)
        await asyncio.gather(*(worker.stop() for worker in workers if worker is not None))

    def status(self) -> Body:
        """How many follow the signal."""
        return {"following": len(self._until)}

    async def _predict(self, body: PredictBody, call: Call) -> Body:
        return (await self._ask(self._arguments(body), milliseconds("--at", body.at))).model_dump()

    async def _history(self, body: HistoryBody, call: Call) -> Body:
        span = {
            "start": milliseconds("--from", body.start), "end": milliseconds("--to", body.end),
            "in_sample": body.in_sample,
            "folder": str(self._context.read_config().MODELS_DIR / FOLDER),
        }  # fmt: skip
        return await self._export({**self._arguments(body), **span})

    async def _follow(self, body: FollowBody, call: Call) -> Body:
        arguments = self._arguments(body)
        key = json.dumps(arguments)
        known = key in self._until
        self._until[key] = time.monotonic() + body.seconds
        if not known:
            self._context.spawn("follow", self._publish(key, arguments))
        return {"symbol": arguments["symbol"], "interval": arguments["interval"]}

    def _arguments(self, body: ModelsBody) -> Body:
        """Which models, on which candles.

        Raises UsageError for a bucket that there is not, TrainingError where none has a model.
        """
        config = self._context.read_config()
        names = [body.bucket] if body.bucket is not None else list(config.BUCKET_CONFIGS)
        for name in names:
            bucket_settings(config, name, 0, 1)
        models = {name: latest_model(config.MODELS_DIR, name) for name in names}
        cards = {name: _card(folder) for name, folder in models.items() if folder is not None}
        if not cards:
            raise TrainingError(
                f"there is no model of {', '.join(names)} yet; train one with `btc-ai train`"
            )
        newest = max(cards.values(), key=lambda card: str(card["created"]))
        own = {"symbol": newest["symbol"], "interval": newest["interval"]}
        given = market_of(config, body.market, body.symbol, body.interval)
        asked = {key: given[key] for key in own} if body.market or body.symbol else own
        return {
            **asked,
            "models": {
                name: str(models[name])
                for name, card in cards.items()
                if body.bucket is not None or {key: card[key] for key in own} == asked
            },
            "data_dir": str(config.DATA_DIR),
        }

    async def _ask(self, arguments: Body, at: int | None = None) -> Signal:
        return Signal(**await self._run(STEP, {**arguments, "at": at}))

    async def _run(self, step: str, arguments: Body) -> Body:
        """Run a step in the warm worker, one at a time."""
        async with self._turn:
            if self._worker is None:
                self._worker = self._context.worker("signal")
            return await self._worker.run(step, arguments, lambda body: None)

    async def _export(self, arguments: Body) -> Body:
        """Run the history step in a worker that ends with it, one at a time."""
        async with self._export_turn:
            self._exporter = worker = self._context.worker("signal.history", limit_s=1.0)
            try:
                return await worker.run(HISTORY_STEP, arguments, lambda body: None)
            finally:
                self._exporter = None
                await worker.close()

    async def _publish(self, key: str, arguments: Body) -> None:
        """Publish a signal whenever the candles change, until nobody has asked for it lately."""
        path = candle_file(Path(arguments["data_dir"]), arguments["symbol"], arguments["interval"])
        seen = _changed(path)
        while time.monotonic() < self._until[key]:
            await asyncio.sleep(LOOK_EVERY_S)
            if (now := _changed(path)) == seen:
                continue
            seen = now
            try:
                self._context.publish(await self._ask(arguments))
            except BtcAiError as error:
                self._context.log.warning("no signal", reason=str(error))
        del self._until[key]


def _card(folder: Path) -> Body:
    path = folder / "model.json"
    try:
        card = json.loads(path.read_bytes())
        return {key: card[key] for key in ("created", "symbol", "interval")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path} cannot be read ({error}); train the bucket again") from None


def _changed(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.is_file() else None
