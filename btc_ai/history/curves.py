"""Reads long series made coarser: the mean, least and greatest of as many rows as share a point."""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, func, select

from btc_ai.history import schema
from btc_ai.history.schema import HOUR, MINUTE, RAW

POINTS: Final = 2000
"""As many as a wide screen has columns."""

CurveColumns = tuple[list[int], list[float], list[float], list[float], bool]
SeriesColumns = tuple[list[float], list[float], list[float], list[float]]


def read_curve(
    connection: Connection, curve: int, first: int | None, last: int | None, max_points: int,
    smoothing: float,
) -> CurveColumns:  # fmt: skip
    """Columns of a curve, episode, mean, low, high; and whether no two episodes share a point."""
    table = schema.metrics
    at = table.c.episode
    within = [table.c.curve_id == curve]
    within += [at >= first] if first is not None else []
    within += [at <= last] if last is not None else []
    least, greatest = connection.execute(select(func.min(at), func.max(at)).where(*within)).one()
    if least is None:
        return [], [], [], [], True
    width = -(-(greatest - least + 1) // max(max_points, 1))
    if smoothing:
        rows = connection.execute(
            select(at, table.c.value)
            .where(table.c.curve_id == curve, at <= greatest)
            .order_by(at)
            .execution_options(yield_per=2000)
        )
        return _smoothed(((one[0], one[1]) for one in rows), smoothing, least, width)
    value, point = table.c.value, (at - least) // width
    if width == 1:
        whole = connection.execute(select(at, value).where(*within).order_by(at)).all()
        episodes, values = [one[0] for one in whole], [one[1] for one in whole]
        return episodes, values, values, values, True
    found = connection.execute(
        select(func.max(at), func.avg(value), func.min(value), func.max(value))
        .where(*within)
        .group_by(point)
        .order_by(point)
    ).all()
    last_ones, means, lows, highs = _columns(found)
    return [int(one) for one in last_ones], means, lows, highs, False


def read_series(
    connection: Connection, series: int, start: float, end: float, max_points: int
) -> SeriesColumns:
    """Columns of samples: time, mean, low, high; of whatever resolution there is."""
    table = schema.samples
    begin, stop = int(start * 1000), int(end * 1000)
    width = max(1, -(-(stop - begin) // max(max_points, 1)))
    point = (table.c.time - begin) // width
    total = func.sum(table.c["count"])
    found = connection.execute(
        select(
            func.max(table.c.time), func.sum(table.c.mean * table.c["count"]) / total,
            func.min(table.c.low), func.max(table.c.high),
        )
        .where(table.c.series_id == series, table.c.resolution.in_((RAW, MINUTE, HOUR)))
        .where(table.c.time >= begin, table.c.time < stop)
        .group_by(point)
        .order_by(point)
    ).all()  # fmt: skip
    times, means, lows, highs = _columns(found)
    return [one / 1000 for one in times], means, lows, highs


def _columns(rows: Iterable[Iterable[float]]) -> tuple[list[float], ...]:
    columns = tuple(list(column) for column in zip(*rows, strict=True))
    return columns or ([], [], [], [])


def _smoothed(
    rows: Iterable[tuple[int, float]], smoothing: float, first: int, width: int
) -> CurveColumns:
    """The curve of a debiased exponential moving average; a constant stays what it is."""
    episodes, means, lows, highs = [], [], [], []
    average, weight, shared = 0.0, 0.0, 0
    point = -1
    for episode, value in rows:
        average = smoothing * average + (1 - smoothing) * value
        weight = smoothing * weight + (1 - smoothing)
        if episode < first:
            continue
        smooth = average / weight
        if (episode - first) // width != point:
            point, shared = (episode - first) // width, 0
            episodes.append(episode)
            means.append(0.0)
            lows.append(value)
            highs.append(value)
        shared += 1
        episodes[-1] = episode
        means[-1] += (smooth - means[-1]) / shared
        lows[-1], highs[-1] = min(lows[-1], value), max(highs[-1], value)
    return episodes, means, lows, highs, width == 1
