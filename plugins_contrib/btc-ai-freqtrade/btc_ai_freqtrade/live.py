"""The signal of the running daemon, for the candle that has just closed."""

from datetime import UTC, datetime

from btc_ai.api.errors import BtcAiError, DataError
from btc_ai.client import connect
from btc_ai_freqtrade.signals import moment, symbol_of


def newest_position(
    pair: str, timeframe: str, close: int, *, bucket: str | None = None, timeout_s: float = 60.0
) -> float:
    """What the latest models hold from now on, −1…1, given candles up to the one at `close`, ms.

    bucket: one bucket's model; None: the mean over all buckets of that market. Raises BtcAiError
    where no daemon answers or none of its models knows the market, and DataError where the daemon
    does not have that candle yet.
    """
    at = datetime.fromtimestamp(close / 1000, UTC).isoformat()
    asked = {"bucket": bucket, "symbol": symbol_of(pair), "interval": timeframe, "at": at}
    with connect(source="freqtrade", timeout=timeout_s) as client:
        signal = client.call("signal.predict", asked)
    if not signal["buckets"]:
        raise BtcAiError(f"BTC-AI has no model for {symbol_of(pair)} {timeframe}")
    if signal["time"] != close:
        raise DataError(
            f"BTC-AI's candles end at {moment(signal['time'])}, freqtrade's at {moment(close)}; "
            "let `btc-ai data download` run as often as candles close"
        )
    return float(signal["position"])
