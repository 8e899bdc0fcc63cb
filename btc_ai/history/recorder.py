"""Writes events of the bus into the tables. All of it can be written twice and is then the same."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from btc_ai.api.messages import Heard, Position
from btc_ai.history import schema
from btc_ai.history.checkpoints import found_checkpoints
from btc_ai.history.files import Episode, checked_number, read_episodes, scratch_of
from btc_ai.history.rows import (
    MAIN,
    SCRATCH,
    bucket_row,
    news_of,
    numbers,
    series_of,
    transfer_row,
    unknown_bucket,
    unknown_run,
)
from btc_ai.history.statements import insert_new, upsert

Body = Mapping[str, Any]
Row = dict[str, Any]

EPISODES = ("training.progress", "training.twin")
NO_METRICS = ("episode", "episodes")
UNKEPT = ("evaluation.progress", "study.progress")
"""Events that are soon worth nothing."""
MALFORMED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What something malformed raises where its rows are made."""
AT_ONCE = 500
"""Episodes of a folder that are held in memory."""


class Recorder:
    """Keeps the ids that rows have, and episodes to be written together."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._buckets: dict[tuple[str, int], int] = {}
        self._curves: dict[tuple[int, str, str], int] = {}
        self._series: dict[str, int] = {}
        self._times: list[Row] = []
        self._points: list[Row] = []
        self._newest: dict[int, Row] = {}

    def forget_ids(self) -> None:
        """Ask the database again which ids rows have."""
        for known in (self._buckets, self._curves, self._series):
            known.clear()

    def forget(self) -> None:
        """Drop what has not been flushed, and the ids."""
        self.forget_ids()
        self._times, self._points = [], []
        self._newest.clear()

    def flush(self, connection: Connection) -> None:
        """Write the episodes that have been recorded; they come in numbers."""
        table = schema.buckets
        insert_new(connection, schema.episodes, self._times)
        upsert(connection, schema.metrics, self._points)
        for bucket, news in self._newest.items():
            connection.execute(update(table).where(table.c.id == bucket).values(**news))
        self._times, self._points = [], []
        self._newest.clear()

    def record(self, connection: Connection, event: Heard) -> None:
        """Write one event; the episodes of a batch are kept until `flush`.

        Raises LookupError, TypeError, ValueError or AttributeError for one that is malformed;
        then nothing of it is kept.
        """
        body = event.body
        if event.kind == "training.run":
            self.run(connection, body)
            self._keep(connection, event, news_of(body))
        elif event.kind in EPISODES:
            self._progress(connection, event)
        elif event.kind == "monitoring.sample":
            self._sample(connection, event)
        elif event.kind == "signal":
            columns = ("symbol", "interval", "time", "synthetic", "close", "position")
            row = {name: body[name] for name in columns}
            upsert(connection, schema.signals, [row | {"detail": body}])
        elif event.kind not in UNKEPT:
            self._keep(connection, event, body)

    def _keep(self, connection: Connection, event: Heard, body: Body) -> None:
        run = body.get("run")
        row = {
            "epoch": event.epoch, "source": event.source, "seq": event.seq, "time": event.time,
            "kind": event.kind, "run": run if isinstance(run, str) else None, "body": body,
        }  # fmt: skip
        insert_new(connection, schema.events, [row])

    def run(self, connection: Connection, view: Body) -> None:
        """Write a run as `training.run` tells it: its buckets, transfers and checkpoints."""
        row = {column.name: view[column.name] for column in schema.runs.columns}
        upsert(connection, schema.runs, [row])
        buckets = [bucket_row(view, step) for step in view["steps"]]
        upsert(connection, schema.buckets, buckets, by=("run", "position"))
        transfers = [transfer_row(view, step) for step in view["steps"] if step["transfer"]]
        upsert(connection, schema.transfers, transfers)
        for step in view["steps"]:
            if step["state"] != "waiting":
                self.checkpoints(connection, view["run"], step["position"], step)

    def checkpoints(self, connection: Connection, run: str, position: int, step: Body) -> None:
        """Write which checkpoints and models of a bucket are in its folder now."""
        table = schema.checkpoints
        of_step = (table.c.run == run, table.c.position == position)
        connection.execute(delete(table).where(*of_step))
        rows = [{"run": run, "position": position, **one} for one in found_checkpoints(step)]
        upsert(connection, table, rows)

    def backfill(self, connection: Connection, view: Body) -> None:
        """Write a run, and the episodes of it that its folders have and the tables lack."""
        self.run(connection, view)
        self.read(connection, view["run"], view["steps"])

    def read(
        self, connection: Connection, run: str, steps: Sequence[Body], *,
        wanted: Callable[[str], bool] = lambda folder: True,
    ) -> dict[str, int]:  # fmt: skip
        """Write the episodes that the folders of a run have and the tables lack.

        wanted: whether to look into a folder. Returns, of each, how many lines are no episodes.
        """
        left_out = {}
        for step in steps:
            for arm, folder in _arms(step):
                if wanted(folder):
                    bucket = self._bucket_id(connection, run, step["position"], step["bucket"])
                    left_out[folder] = self._read(connection, bucket, arm, folder)
        return left_out

    def _read(self, connection: Connection, bucket: int, arm: str, folder: str) -> int:
        """Write the episodes that a folder has and the tables lack; how many lines are none."""
        left_out = 0
        found: list[Episode] = []
        for episode in read_episodes(folder, _last_episode(connection, bucket, arm)):
            if episode is None:
                left_out += 1
                continue
            found.append(episode)
            if len(found) == AT_ONCE:
                self._episodes(connection, bucket, arm, found)
                self.flush(connection)
                found = []
        self._episodes(connection, bucket, arm, found)
        return left_out

    def _progress(self, connection: Connection, event: Heard) -> None:
        body = event.body
        if body.get("arm", MAIN) == SCRATCH:
            return  # `training.twin` has told of it
        arm = SCRATCH if event.kind == "training.twin" else MAIN
        bucket = self._bucket_id(connection, body["run"], body["position"], body["bucket"])
        episode = Episode(checked_number(body["episode"]), event.time, body["metrics"])
        eta_s = float(body["eta_s"])
        self._episodes(connection, bucket, arm, [episode])
        if arm == MAIN:
            self._newest[bucket] = {"episode": episode.number, "eta_s": eta_s}

    def _episodes(
        self, connection: Connection, bucket: int, arm: str, found: Sequence[Episode]
    ) -> None:
        points = [
            {"curve_id": self._curve_id(connection, bucket, arm, name), "episode": one.number,
             "value": value}
            for one in found
            for name, value in numbers(one.metrics)
            if name not in NO_METRICS
        ]  # fmt: skip
        self._times += [
            {"bucket_id": bucket, "arm": arm, "episode": one.number, "time": one.time}
            for one in found
        ]
        self._points += points

    def _sample(self, connection: Connection, event: Heard) -> None:
        moment = int(event.time * 1000)
        rows = [
            {"series_id": self._series_id(connection, name), "resolution": 0, "time": moment,
             "mean": value, "low": value, "high": value, "count": 1}
            for name, value in series_of(event.body)
        ]  # fmt: skip
        upsert(connection, schema.samples, rows)
        table = schema.buckets
        columns = (table.c.run, table.c.position, table.c.detail)
        for run, position, step in connection.execute(
            select(*columns).where(table.c.state == "running")
        ).all():
            if step:
                self.checkpoints(connection, run, position, step)

    def _bucket_id(self, connection: Connection, run: str, position: int, bucket: str) -> int:
        if (run, position) not in self._buckets:
            table = schema.buckets
            known = select(table.c.id).where(table.c.run == run, table.c.position == position)
            if (found := connection.execute(known).scalar()) is None:
                insert_new(connection, schema.runs, [unknown_run(run)])
                insert_new(connection, table, [unknown_bucket(run, position, bucket)])
                found = connection.execute(known).scalar_one()
            self._buckets[run, position] = int(found)
        return self._buckets[run, position]

    def _curve_id(self, connection: Connection, bucket: int, arm: str, name: str) -> int:
        key = (bucket, arm, name)
        if key not in self._curves:
            values = {"bucket_id": bucket, "arm": arm, "name": name}
            self._curves[key] = _id_of(connection, schema.curves, values)
        return self._curves[key]

    def _series_id(self, connection: Connection, name: str) -> int:
        if name not in self._series:
            self._series[name] = _id_of(connection, schema.series, {"name": name})
        return self._series[name]


def _arms(step: Body) -> Iterator[tuple[str, str]]:
    """The arms of a bucket, and where the files of each are."""
    if step["directory"]:
        directory = step["directory"].removesuffix(f"-{SCRATCH}")
        yield MAIN, directory
        yield SCRATCH, scratch_of(directory)


def load_position(connection: Connection) -> Position:
    """How far the tables have come; before the first event, nowhere."""
    rows = connection.execute(select(schema.positions)).all()
    epoch = rows[0].epoch if rows else ""
    return Position(epoch, {row.source: row.seq for row in rows})


def save_position(connection: Connection, position: Position) -> None:
    """Write how far the tables have come: in the transaction of what has been recorded."""
    table = schema.positions
    connection.execute(delete(table).where(table.c.epoch != position.epoch))
    rows = [
        {"source": source, "epoch": position.epoch, "seq": seq}
        for source, seq in position.seq.items()
    ]
    upsert(connection, table, rows)


def _id_of(connection: Connection, table: Any, values: Body) -> int:
    where = [table.c[name] == value for name, value in values.items()]
    found = connection.execute(select(table.c.id).where(*where)).scalar()
    if found is None:
        made = connection.execute(insert(table).values(**values)).inserted_primary_key
        found = made[0] if made else None
    return int(found or 0)


def _last_episode(connection: Connection, bucket: int, arm: str) -> int:
    """The last episode before which none is missing."""
    table = schema.episodes
    of_arm = (table.c.bucket_id == bucket, table.c.arm == arm)
    numbers = connection.execute(
        select(table.c.episode).where(*of_arm).order_by(table.c.episode)
    ).scalars()
    last = 0
    for number in numbers:
        if number != last + 1:
            break
        last = number
    return last
