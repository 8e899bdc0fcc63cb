"""The candles of a run: stored ones, or the sample market."""

from pathlib import Path

from btc_ai.market.candles import Candles
from btc_ai.market.sample import sample_market
from btc_ai.market.store import CandleStore


def load_candles(data_dir: Path, symbol: str, interval: str, market: str | None = None) -> Candles:
    """Stored candles, checked; `market` `sample`: made and stored where they are not yet.

    Raises DataError where they are missing or cannot be used.
    """
    store = CandleStore(data_dir)
    if market == "sample" and not store.exists(symbol, interval):
        store.save(sample_market())
    return store.load(symbol, interval)
