"""Old samples become coarser, and what there is too much of goes."""

from typing import Any

import pytest
from sqlalchemy import Connection, Engine, func, insert, select

from btc_ai.config import Config
from btc_ai.config import History as Settings
from btc_ai.history import schema
from btc_ai.history.database import open_for_writing
from btc_ai.history.retention import Retention
from btc_ai.history.schema import HOUR, MINUTE, RAW

DAY = 24 * HOUR
NOW = 400 * DAY
"""A time, ms."""


def samples(connection: Connection, first: int, last: int, every: int) -> list[dict[str, Any]]:
    rows = [
        {"series_id": 1, "resolution": RAW, "time": time, "mean": value, "low": value,
         "high": value, "count": 1}
        for value, time in enumerate(range(first, last, every))
    ]  # fmt: skip
    connection.execute(insert(schema.samples), rows)
    return rows


def total(connection: Connection) -> tuple[float, float, float, int]:
    """What no coarsening may change: the mean of all, the least, the greatest, how many."""
    table = schema.samples
    mean = func.sum(table.c.mean * table.c["count"]) / func.sum(table.c["count"])
    row = connection.execute(
        select(mean, func.min(table.c.low), func.max(table.c.high), func.sum(table.c["count"]))
    ).one()
    return row[0], row[1], row[2], int(row[3])


def resolutions(connection: Connection) -> dict[int, int]:
    table = schema.samples
    rows = connection.execute(select(table.c.resolution, func.count()).group_by(table.c.resolution))
    return {row[0]: row[1] for row in rows}


@pytest.fixture
def engine(config: Config) -> Any:
    made = open_for_writing(config)
    with made.begin() as connection:
        connection.execute(insert(schema.series), [{"id": 1, "name": "host.cpu"}])
    yield made
    made.dispose()


def test_samples_become_coarser_and_their_sums_stay(engine: Engine) -> None:
    retention = Retention(Settings())
    with engine.begin() as connection:
        samples(connection, NOW - 31 * DAY, NOW - 30 * DAY, 600_000)
        samples(connection, NOW - DAY - HOUR, NOW, 20_000)
        before = total(connection)
        retention.thin(connection, NOW / 1000)
        assert resolutions(connection) == {RAW: 24 * 180, MINUTE: 60, HOUR: 24}
        assert total(connection) == pytest.approx(before)
        retention.thin(connection, NOW / 1000)
        assert resolutions(connection) == {RAW: 24 * 180, MINUTE: 60, HOUR: 24}
        retention.thin(connection, (NOW + 29 * DAY) / 1000)
        assert RAW not in resolutions(connection)
        assert total(connection) == pytest.approx(before)
        retention.thin(connection, (NOW + 4000 * DAY) / 1000)
        assert resolutions(connection) == {}


def test_samples_that_come_late_join_those_of_their_minute(engine: Engine) -> None:
    retention = Retention(Settings())
    begin = NOW - 2 * DAY
    with engine.begin() as connection:
        samples(connection, begin, begin + 30_000, 5_000)
        retention.thin(connection, NOW / 1000)
        samples(connection, begin + 30_000, begin + 60_000, 5_000)
        before = total(connection)
        retention.thin(connection, NOW / 1000)
        assert resolutions(connection) == {MINUTE: 1}
        assert total(connection) == pytest.approx(before)


def test_the_newest_events_and_signals_are_kept(engine: Engine) -> None:
    retention = Retention(Settings(EVENTS=10, SIGNALS=5))
    with engine.begin() as connection:
        connection.execute(
            insert(schema.events),
            [
                {"epoch": "e", "source": "s", "seq": n, "time": n, "kind": "k", "body": {}}
                for n in range(1, 31)
            ],
        )
        connection.execute(insert(schema.signals), [
            {"symbol": "BTC/USDT", "interval": "5m", "time": n, "synthetic": False, "close": 1,
             "position": 0, "detail": {}}
            for n in range(1, 31)
        ])  # fmt: skip
        retention.thin(connection, 0)
        kept = connection.execute(select(schema.events.c.seq)).scalars().all()
        assert sorted(kept) == list(range(21, 31))
        times = connection.execute(select(schema.signals.c.time)).scalars().all()
        assert sorted(times) == list(range(26, 31))
