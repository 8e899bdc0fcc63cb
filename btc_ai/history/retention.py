"""Makes old samples of the system coarser, and lets go of the oldest events and signals."""

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    and_,
    case,
    delete,
    func,
    literal,
    select,
)

from btc_ai.config import History
from btc_ai.history import schema
from btc_ai.history.schema import HOUR, MINUTE, RAW
from btc_ai.history.statements import Insert, inserting


class Retention:
    """What HISTORY says of how long things are kept."""

    def __init__(self, settings: History) -> None:
        """By these settings."""
        self._settings = settings

    def thin(self, connection: Connection, now: float) -> None:
        """Make coarser what is too old for its resolution, and drop what is too old for all."""
        kept, milliseconds = self._settings, now * 1000
        _coarsen(connection, RAW, MINUTE, milliseconds - kept.RAW_HOURS * HOUR)
        _coarsen(connection, MINUTE, HOUR, milliseconds - kept.MINUTE_DAYS * 24 * HOUR)
        _drop(connection, HOUR, int(milliseconds - kept.HOUR_DAYS * 24 * HOUR))
        newest = connection.execute(select(func.max(schema.events.c.id))).scalar() or 0
        connection.execute(delete(schema.events).where(schema.events.c.id <= newest - kept.EVENTS))
        self._drop_signals(connection)

    def _drop_signals(self, connection: Connection) -> None:
        table = schema.signals
        first_kept = (
            select(table.c.time).order_by(table.c.time.desc()).offset(self._settings.SIGNALS - 1)
        ).limit(1)
        if (time := connection.execute(first_kept).scalar()) is not None:
            connection.execute(delete(table).where(table.c.time < time))


def _coarsen(connection: Connection, fine: int, coarse: int, before: float) -> None:
    """Put the samples before a time together, whole stretches of the coarser resolution alone."""
    cut = int(before // coarse * coarse)
    connection.execute(_merge(connection, fine, coarse, cut))
    _drop(connection, fine, cut)


def _merge(connection: Connection, fine: int, coarse: int, cut: int) -> Insert:
    """The means of coarser stretches; where there is one already, both are put together."""
    table = schema.samples
    columns = ["series_id", "resolution", "time", "mean", "low", "high", "count"]
    stretch = (table.c.time // coarse * coarse).label("time")
    total = func.sum(table.c["count"])
    means = (
        select(
            table.c.series_id, literal(coarse, Integer).label("resolution"), stretch,
            (func.sum(table.c.mean * table.c["count"]) / total).label("mean"),
            func.min(table.c.low).label("low"), func.max(table.c.high).label("high"),
            total.label("count"),
        )
        .where(_older(fine, cut))
        .group_by(table.c.series_id, stretch)
    )  # fmt: skip
    insert = inserting(connection, table).from_select(columns, means)
    old, new = table.c, insert.excluded
    count = old["count"] + new["count"]
    both = {
        "mean": (old.mean * old["count"] + new["mean"] * new["count"]) / count,
        "low": case((new["low"] < old.low, new["low"]), else_=old.low),
        "high": case((new["high"] > old.high, new["high"]), else_=old.high),
        "count": count,
    }
    return insert.on_conflict_do_update(index_elements=columns[:3], set_=both)


def _drop(connection: Connection, resolution: int, before: int) -> None:
    connection.execute(delete(schema.samples).where(_older(resolution, before)))


def _older(resolution: int, before: int) -> ColumnElement[bool]:
    """Samples of a resolution before a time: by series, as the primary key has them."""
    table = schema.samples
    known = table.c.series_id.in_(select(schema.series.c.id))
    return and_(known, table.c.resolution == resolution, table.c.time < before)
