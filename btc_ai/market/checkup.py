"""`btc-ai data check`: the quality of all that is stored, and its repair."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from btc_ai.errors import DataError
from btc_ai.market.candles import check_symbol
from btc_ai.market.quality import QualityReport, check_candles, repair
from btc_ai.market.store import CandleInfo, CandleStore
from btc_ai.paths import candle_file


@dataclass(frozen=True)
class Checkup:
    """One file's findings (after repair, where it was asked for), or why it cannot be read."""

    path: Path
    report: QualityReport | None = None
    dropped: dict[str, int] = field(default_factory=dict)
    unreadable: str | None = None

    @property
    def ok(self) -> bool:
        """Whether training can use the file."""
        return self.report is not None and not self.report.errors

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "path": str(self.path),
            "ok": self.ok,
            "dropped": self.dropped,
            "unreadable": self.unreadable,
            **(self.report.as_dict() if self.report else {}),
        }


def check_store(
    store: CandleStore,
    symbol: str | None = None,
    interval: str | None = None,
    mend: bool = False,
) -> list[Checkup]:
    """Check the stored candles, those of one symbol or interval where given; `mend` repairs.

    Raises DataError where nothing is stored under those names.
    """
    wanted = check_symbol(symbol) if symbol else None
    found = [info for info in store.list() if _matches(store, info, wanted, interval)]
    if not found:
        named = " ".join(filter(None, (symbol, interval))) or "any market"
        raise DataError(
            f"no candles of {named} in {store.data_dir}: get some with `btc-ai data import`, "
            "`data download` or `data sample`"
        )
    return [_check(store, info, mend) for info in found]


def _matches(
    store: CandleStore, info: CandleInfo, symbol: str | None, interval: str | None
) -> bool:
    """Whether a file is meant; one that cannot be read is known by its name."""
    if info.error is not None and symbol and interval:
        return info.path == store.path(symbol, interval)
    if info.error is not None and symbol:
        return info.path.name.startswith(candle_file(store.data_dir, symbol, "").stem)
    return symbol in {None, info.symbol} and interval in {None, info.interval}


def _check(store: CandleStore, info: CandleInfo, mend: bool) -> Checkup:
    if info.error is not None:
        return Checkup(info.path, unreadable=f"{info.path.name}: {info.error}")
    try:
        candles = store.read(info.symbol, info.interval)
    except DataError as error:
        return Checkup(info.path, unreadable=str(error))
    report = check_candles(candles)
    if not mend or not any(finding.repairable for finding in report.findings):
        return Checkup(info.path, report)
    mended, dropped = repair(candles)
    if len(mended) == 0:
        return Checkup(info.path, report)
    store.save(mended)
    return Checkup(info.path, check_candles(mended), dropped)
