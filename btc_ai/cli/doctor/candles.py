"""Are there candles to train on, sound and enough?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from btc_ai.cli.doctor.findings import Finding, Look, ok, warning, wrong
from btc_ai.errors import DataError

if TYPE_CHECKING:
    from btc_ai.market.candles import Candles


def candles(look: Look) -> Iterator[Finding]:
    """Those of SYMBOL and INTERVAL are there and sound, and enough for every bucket."""
    from btc_ai.market.quality import check_candles
    from btc_ai.market.store import CandleStore

    config, store = look.config, CandleStore(look.config.DATA_DIR)
    path = store.path(config.SYMBOL, config.INTERVAL)
    if not path.is_file():
        text = f"there are no candles of {config.SYMBOL} {config.INTERVAL}"
        todo = "`btc-ai data import` or `data download`, or train with --market sample"
        yield warning(text, path, todo=todo)
        return
    try:
        stored = store.read(config.SYMBOL, config.INTERVAL)
    except DataError as error:
        yield wrong(str(error), path, todo="import or download them again")
        return
    report = check_candles(stored)
    for finding in report.findings:
        if finding.severity == "error":
            todo = "`btc-ai data check --repair` drops what is provably wrong"
            yield wrong(str(finding), path, todo=todo)
        else:
            yield warning(str(finding), path, todo="see `btc-ai data check`; training copes")
    if not report.findings:
        yield ok(f"{report.bars:,} sound candles of {config.SYMBOL} {config.INTERVAL}", path)
    yield from _enough(look, stored)


def _enough(look: Look, stored: "Candles") -> Iterator[Finding]:
    """A bucket needs a stretch long enough for its longest horizon, in each part of the data."""
    from btc_ai.api.settings import least_candles

    for name, bucket in look.config.BUCKET_CONFIGS.items():
        needed = least_candles(bucket.MIN_HORIZON, bucket.MAX_HORIZON)
        if len(stored) < needed:
            text = f"{len(stored):,} candles are too few for {name}, which needs {needed:,}"
            yield wrong(text, todo="import or download more, or leave the bucket out")
