"""The strategy; imported by freqtrade, in freqtrade's own process."""

import logging
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
from freqtrade.enums.runmode import TRADE_MODES
from freqtrade.exceptions import OperationalException
from freqtrade.strategy import IStrategy

from btc_ai.api.errors import BtcAiError, ConfigError
from btc_ai_freqtrade.live import newest_position
from btc_ai_freqtrade.signals import Signals, closes

COLUMN = "btc_ai_position"

_log = logging.getLogger(__name__)


class BtcAiStrategy(IStrategy):  # type: ignore[misc]  # freqtrade is optional
    """Goes long where BTC-AI holds `enter_at` or more, out where it holds less than `exit_at`.

    The same short where `can_short` is set. Live and in dry runs the daemon is asked at each new
    candle; where it does not know, nothing is entered and nothing left. In backtests the signals
    come from a file. Section `btc_ai` of freqtrade's configuration: `signals`, a file, or a map
    of pairs to files; `bucket`; `timeout_s`.
    """

    INTERFACE_VERSION = 3
    timeframe = "5m"
    can_short = False
    minimal_roi: ClassVar[dict[str, float]] = {"0": 100.0}  # the signal alone decides
    stoploss = -0.99
    use_exit_signal = True
    process_only_new_candles = True
    startup_candle_count = 0

    enter_at = 0.5
    exit_at = 0.25

    def populate_indicators(self, dataframe: pd.DataFrame, metadata: dict[str, Any]) -> Any:
        """Add the column `btc_ai_position`, −1…1; NaN where it is not known."""
        trading = self.dp.runmode in TRADE_MODES
        find = self._from_daemon if trading else self._from_file
        dataframe[COLUMN] = find(dataframe["date"], metadata["pair"])
        return dataframe

    def populate_entry_trend(self, dataframe: pd.DataFrame, metadata: dict[str, Any]) -> Any:
        """Enter at the next open."""
        dataframe.loc[dataframe[COLUMN] >= self.enter_at, "enter_long"] = 1
        if self.can_short:
            dataframe.loc[dataframe[COLUMN] <= -self.enter_at, "enter_short"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe: pd.DataFrame, metadata: dict[str, Any]) -> Any:
        """Leave at the next open."""
        dataframe.loc[dataframe[COLUMN] < self.exit_at, "exit_long"] = 1
        if self.can_short:
            dataframe.loc[dataframe[COLUMN] > -self.exit_at, "exit_short"] = 1
        return dataframe

    @property
    def _settings(self) -> dict[str, Any]:
        found: dict[str, Any] = self.config.get("btc_ai", {})
        return found

    @cached_property
    def _files(self) -> dict[str, Signals]:
        return {}

    def _from_file(self, dates: "pd.Series[Any]", pair: str) -> "pd.Series[float]":
        try:
            if pair not in self._files:
                self._files[pair] = self._read(pair)
            return self._files[pair].onto(dates, self.timeframe)
        except BtcAiError as error:
            raise OperationalException(str(error)) from None  # freqtrade prints it, and ends

    def _read(self, pair: str) -> Signals:
        files = self._settings.get("signals")
        path = files.get(pair) if isinstance(files, dict) else files
        if not path:
            raise ConfigError(
                f"the section btc_ai of freqtrade's configuration names no signals for {pair}; "
                "write them with `btc-ai freqtrade export`"
            )
        signals = Signals.read(Path(path))
        signals.require(pair, self.timeframe)
        if signals.about["in_sample"]:
            _log.warning("%s: these signals are IN SAMPLE, and no evidence of anything", path)
        return signals

    def _from_daemon(self, dates: "pd.Series[Any]", pair: str) -> "pd.Series[float]":
        """NaN but for the newest candle, the only one that freqtrade acts on."""
        made = pd.Series(float("nan"), index=dates.index, dtype="float64")
        if not len(made):
            return made
        try:
            made.iloc[-1] = newest_position(
                pair, self.timeframe, int(closes(dates, self.timeframe)[-1]),
                bucket=self._settings.get("bucket"),
                timeout_s=float(self._settings.get("timeout_s", 60.0)),
            )  # fmt: skip
        except BtcAiError as error:
            _log.warning("no signal for %s: %s", pair, error)
        return made
