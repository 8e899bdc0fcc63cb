"""What can be asked of the history. Each answer is a dataclass of plain values, fit for JSON."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine, RowMapping, Select, Table, func, select

from btc_ai.config import Config
from btc_ai.errors import HistoryError
from btc_ai.history import schema
from btc_ai.history.answers import (
    BucketRow,
    CheckpointRow,
    Curve,
    EventRow,
    RunRow,
    Series,
    SignalRow,
    TransferRow,
)
from btc_ai.history.curves import POINTS, read_curve, read_series
from btc_ai.history.database import (
    database_errors,
    describe,
    open_for_reading,
    open_read_only,
)
from btc_ai.history.rows import UNKNOWN_SEED
from btc_ai.lock import is_held
from btc_ai.paths import models_lock_file

INTERRUPTED = "interrupted"
"""The state of what was in training when its daemon ended: it goes on when one starts."""


class UnknownRunError(HistoryError):
    """The history has no such run."""

    code = "unknown_run"


class History:
    """The history, open for reading; use it as a context manager, or `close` it.

    It may be asked by several threads. Every method raises HistoryError where the database fails.
    """

    def __init__(
        self, engine: Engine, where: str, daemon_ended: Callable[[], bool] = lambda: False
    ) -> None:
        """Over an engine; `open` makes one. where: the database, in words.

        daemon_ended: whether the daemon that trained into it has ended.
        """
        self._engine, self._where, self._daemon_ended = engine, where, daemon_ended

    @classmethod
    def open(cls, config: Config, *, read_only: bool = False) -> Self:
        """The history of a configuration. Raises HistoryError where there is none to be read.

        read_only: nothing is written into its folder, not even what SQLite itself needs there.
        """
        opened = open_read_only(config) if read_only else open_for_reading(config)
        lock = models_lock_file(config.MODELS_DIR)
        return cls(opened, describe(config), lambda: is_held(lock) is False)

    def __enter__(self) -> Self:
        """The history itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @property
    def note(self) -> str:
        """What to know of where its answers come from; empty: from what was recorded."""
        return ""

    @property
    def problems(self) -> Sequence[str]:
        """What could not be read, in words."""
        return ()

    def refresh(self) -> None:
        """Look whether there is more; a database tells by itself."""

    def runs(
        self, *, state: str | None = None, bucket: str | None = None, symbol: str | None = None,
        limit: int = 50, offset: int = 0,
    ) -> list[RunRow]:  # fmt: skip
        """Runs, newest first, each with its buckets; `bucket`: those that train it."""
        table, buckets = schema.runs, schema.buckets
        asked = select(table).order_by(table.c.created.desc(), table.c.run)
        if state is not None:
            asked = asked.where(table.c.state == state)
        if symbol is not None:
            asked = asked.where(table.c.symbol == symbol)
        if bucket is not None:
            asked = asked.where(
                table.c.run.in_(select(buckets.c.run).where(buckets.c.bucket == bucket))
            )
        with self._connect() as connection:
            found = connection.execute(asked.limit(limit).offset(offset)).mappings().all()
            return self._as_left(_with_buckets(connection, found))

    def run(self, run: str) -> RunRow:
        """One run by its id. Raises UnknownRunError where there is none."""
        asked = select(schema.runs).where(schema.runs.c.run == run)
        with self._connect() as connection:
            found = connection.execute(asked).mappings().all()
            if not found:
                raise UnknownRunError(
                    f"the history in {self._where} has no run {run[:60]!r}; `btc-ai runs` lists "
                    "what there is"
                )
            return self._as_left(_with_buckets(connection, found))[0]

    def find(self, wanted: str | None = None) -> RunRow:
        """The run whose id is, or begins with, `wanted`; None: the newest.

        Raises HistoryError where there is none, or where several begin so.
        """
        table = schema.runs
        asked = select(table.c.run).order_by(table.c.created.desc(), table.c.run).limit(6)
        if wanted is not None:
            asked = asked.where(table.c.run.startswith(wanted, autoescape=True))
        with self._connect() as connection:
            found = list(connection.execute(asked).scalars())
        if wanted is None and not found:
            raise HistoryError(
                f"the history in {self._where} has no run yet; `btc-ai train` starts one"
            )
        if wanted is not None and wanted not in found and len(found) > 1:
            raise HistoryError(
                f"{wanted[:60]} begins several runs: {', '.join(found[:5])}; give more of the id"
            )
        exact = wanted is not None and (wanted in found or not found)
        return self.run(str(wanted) if exact else found[0])

    def count_runs(self, state: str) -> int:
        """How many runs are in a state."""
        table = schema.runs
        asked = select(func.count()).select_from(table).where(table.c.state == state)
        with self._connect() as connection:
            return int(connection.execute(asked).scalar_one())

    def metric_names(self, run: str) -> list[str]:
        """The names of all metrics that a run has."""
        curves, buckets = schema.curves, schema.buckets
        asked = (
            select(curves.c.name).join(buckets, buckets.c.id == curves.c.bucket_id).distinct()
        ).where(buckets.c.run == run)
        with self._connect() as connection:
            return sorted(connection.execute(asked).scalars())

    def curves(
        self, run: str, position: int, names: Sequence[str], *, first: int | None = None,
        last: int | None = None, max_points: int = POINTS, smoothing: float = 0.0,
    ) -> list[Curve]:  # fmt: skip
        """The metrics of a bucket between two episodes, at most `max_points` of each.

        A point is the mean, least and greatest of as many episodes as have to share it. smoothing:
        0 to below 1, the weight of the past in a debiased moving average over all episodes, also
        those before `first`; it is smoothed first, then made coarser.
        """
        curves, buckets = schema.curves, schema.buckets
        asked = (
            select(curves.c.id, curves.c.arm, curves.c.name)
            .join(buckets, buckets.c.id == curves.c.bucket_id)
            .where(buckets.c.run == run, buckets.c.position == position)
            .where(curves.c.name.in_(names))
            .order_by(curves.c.name, curves.c.arm)
        )
        with self._connect() as connection:
            return [
                Curve(
                    one.name, one.arm,
                    *read_curve(connection, one.id, first, last, max_points, smoothing),
                )
                for one in connection.execute(asked).all()
            ]  # fmt: skip

    def times(self, run: str, position: int, *, max_points: int = 500) -> list[tuple[int, float]]:
        """When episodes of a bucket ended, those known: at most `max_points`, in their order."""
        table, buckets = schema.episodes, schema.buckets
        own = (buckets.c.run == run, buckets.c.position == position, table.c.arm == "main")
        asked = (
            select(table.c.episode, table.c.time)
            .join(buckets, buckets.c.id == table.c.bucket_id)
            .where(*own, table.c.time.is_not(None))
            .order_by(table.c.episode)
        )
        newest = select(func.max(table.c.episode)).join(buckets, buckets.c.id == table.c.bucket_id)
        with self._connect() as connection:
            last = connection.execute(newest.where(*own)).scalar() or 0
            step = -(-last // max(max_points, 1)) or 1
            sparse = asked.where((last - table.c.episode) % step == 0)
            return [(int(one[0]), float(one[1])) for one in connection.execute(sparse)]

    def transfers(self, *, limit: int = 50, offset: int = 0) -> list[TransferRow]:
        """The ledger of transfers, newest first."""
        table = schema.transfers
        newest = _transfers().order_by(table.c.time.desc()).limit(limit).offset(offset)
        return self._rows(TransferRow, table, newest)

    def transfer(self, transfer: str) -> TransferRow | None:
        """One transfer by its id; None: there is none."""
        table = schema.transfers
        found = self._rows(TransferRow, table, _transfers().where(table.c.transfer == transfer))
        return found[0] if found else None

    def checkpoints(self, run: str) -> list[CheckpointRow]:
        """Where a run can go on from, and the models that it has left, newest first."""
        table = schema.checkpoints
        return self._rows(CheckpointRow, table, _newest(table, "time").where(table.c.run == run))

    def signals(
        self, *, symbol: str | None = None, limit: int = 200, offset: int = 0
    ) -> list[SignalRow]:
        """Signals, newest first."""
        table = schema.signals
        asked = _newest(table, "time")
        if symbol is not None:
            asked = asked.where(table.c.symbol == symbol)
        return self._rows(SignalRow, table, asked.limit(limit).offset(offset))

    def events(
        self, *, before: int | None = None, kind: str | None = None, run: str | None = None,
        limit: int = 100,
    ) -> list[EventRow]:  # fmt: skip
        """Events, newest first. before: the `id` of the last one of the page before."""
        table = schema.events
        asked = _newest(table, "id").limit(limit)
        if before is not None:
            asked = asked.where(table.c.id < before)
        if kind is not None:
            asked = asked.where(table.c.kind == kind)
        if run is not None:
            asked = asked.where(table.c.run == run)
        return self._rows(EventRow, table, asked)

    def system(
        self, start: float, end: float, *, names: Sequence[str] | None = None,
        max_points: int = POINTS,
    ) -> list[Series]:  # fmt: skip
        """Samples of the system in [start, end), seconds since 1970, at most `max_points` of each.

        names: of series, `host.cpu`; `gpu.0.*`: all that begin so. None: all.
        """
        table = schema.series
        with self._connect() as connection:
            found = connection.execute(select(table).order_by(table.c.name)).all()
            read = (
                Series(one.name, *read_series(connection, one.id, start, end, max_points))
                for one in found
                if names is None or _covered(one.name, names)
            )
            return [series for series in read if series.time]

    def _rows(self, row: type[Any], table: Table, asked: "Select[Any]") -> list[Any]:
        with self._connect() as connection:
            return [row(**one) for one in connection.execute(asked).mappings()]

    def _as_left(self, runs: list[RunRow]) -> list[RunRow]:
        """Runs as they are: a daemon that was killed could not write down that it trains none."""
        if not any(one.state == "running" for one in runs) or not self._daemon_ended():
            return runs
        return [_interrupted(one) if one.state == "running" else one for one in runs]

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        with database_errors(self._where), self._engine.connect() as connection:
            yield connection


def _with_buckets(connection: Connection, runs: Sequence[RowMapping]) -> list[RunRow]:
    table = schema.buckets
    asked = select(table).where(table.c.run.in_([run["run"] for run in runs]))
    of_run: dict[str, list[BucketRow]] = {run["run"]: [] for run in runs}
    for row in connection.execute(asked.order_by(table.c.position)).mappings():
        of_run[row["run"]].append(BucketRow(**{k: v for k, v in row.items() if k != "id"}))
    return [
        RunRow(
            **{**run, "seed": None if run["seed"] == UNKNOWN_SEED else run["seed"]},
            buckets=of_run[run["run"]],
        )
        for run in runs
    ]


def _interrupted(run: RunRow) -> RunRow:
    buckets = [
        replace(one, state=INTERRUPTED) if one.state == "running" else one for one in run.buckets
    ]
    return replace(run, state=INTERRUPTED, buckets=buckets)


def _transfers() -> "Select[Any]":
    table, buckets = schema.transfers, schema.buckets
    own = (buckets.c.run == table.c.run) & (buckets.c.position == table.c.position)
    return select(table, buckets.c.state).join(buckets, own)


def _newest(table: Table, by: str) -> "Select[Any]":
    return select(table).order_by(table.c[by].desc())


def _covered(name: str, patterns: Sequence[str]) -> bool:
    return any(
        name == one or (one.endswith(".*") and name.startswith(one[:-1])) for one in patterns
    )
