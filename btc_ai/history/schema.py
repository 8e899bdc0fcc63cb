"""The tables, as the newest migration leaves them.

Times are seconds since 1970, UTC; those of `samples` and `signals` are milliseconds.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

VERSION = "0001"
"""The newest migration."""

RAW, MINUTE, HOUR = 0, 60_000, 3_600_000
"""Resolutions of samples, ms; raw ones are as they were taken."""

metadata = MetaData()

runs = Table(
    "runs",
    metadata,
    Column("run", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("error", Text),
    Column("created", Double, nullable=False),
    Column("updated", Double, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("interval", Text, nullable=False),
    Column("synthetic", Boolean, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("transfer", Boolean, nullable=False),
    Index("runs_by_time", "created"),
)

buckets = Table(
    "buckets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run", Text, ForeignKey("runs.run"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("bucket", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("learner", Text, nullable=False),
    Column("episodes", Integer, nullable=False),
    Column("episode", Integer, nullable=False),
    Column("eta_s", Double),
    Column("arm", Text, nullable=False),
    Column("started", Double),
    Column("ended", Double),
    Column("directory", Text),
    Column("degraded", Boolean, nullable=False),
    Column("detail", JSON, nullable=False),
    UniqueConstraint("run", "position"),
    Index("buckets_by_state", "state"),
)

episodes = Table(
    "episodes",
    metadata,
    Column("bucket_id", Integer, ForeignKey("buckets.id"), primary_key=True),
    Column("arm", Text, primary_key=True),
    Column("episode", Integer, primary_key=True),
    Column("time", Double),
    sqlite_with_rowid=False,
)

curves = Table(
    "curves",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("bucket_id", Integer, ForeignKey("buckets.id"), nullable=False),
    Column("arm", Text, nullable=False),
    Column("name", Text, nullable=False),
    UniqueConstraint("bucket_id", "arm", "name"),
)

metrics = Table(
    "metrics",
    metadata,
    Column("curve_id", Integer, ForeignKey("curves.id"), primary_key=True),
    Column("episode", Integer, primary_key=True),
    Column("value", Double, nullable=False),
    sqlite_with_rowid=False,
)

transfers = Table(
    "transfers",
    metadata,
    Column("transfer", Text, primary_key=True),
    Column("run", Text, ForeignKey("runs.run"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("source", Text),
    Column("target", Text, nullable=False),
    Column("kinds", JSON, nullable=False),
    Column("time", Double, nullable=False),
    Column("decision", Text),
    Column("reason", Text),
    Column("difference", Double),
    Column("low", Double),
    Column("high", Double),
    Column("share", Double),
    Column("detail", JSON, nullable=False),
    Index("transfers_by_time", "time"),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("path", Text, primary_key=True),
    Column("run", Text, ForeignKey("runs.run"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("episode", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", Text),
    Column("time", Double, nullable=False),
    Index("checkpoints_by_run", "run", "position"),
)

signals = Table(
    "signals",
    metadata,
    Column("symbol", Text, primary_key=True),
    Column("interval", Text, primary_key=True),
    Column("time", BigInteger, primary_key=True),
    Column("synthetic", Boolean, nullable=False),
    Column("close", Double, nullable=False),
    Column("position", Double, nullable=False),
    Column("detail", JSON, nullable=False),
)

series = Table(
    "series",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
)

samples = Table(
    "samples",
    metadata,
    Column("series_id", Integer, ForeignKey("series.id"), primary_key=True),
    Column("resolution", Integer, primary_key=True),
    Column("time", BigInteger, primary_key=True),
    Column("mean", Double, nullable=False),
    Column("low", Double, nullable=False),
    Column("high", Double, nullable=False),
    Column("count", Integer, nullable=False),
    sqlite_with_rowid=False,
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("epoch", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("time", Double, nullable=False),
    Column("kind", Text, nullable=False),
    Column("run", Text),
    Column("body", JSON, nullable=False),
    UniqueConstraint("epoch", "source", "seq"),
    Index("events_by_kind", "kind", "id"),
    Index("events_by_run", "run", "id"),
)

positions = Table(
    "positions",
    metadata,
    Column("source", Text, primary_key=True),
    Column("epoch", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
)

readers = Table("readers", metadata, Column("oldest", Text, nullable=False))
"""The oldest version whose code can use these tables: after an update is undone, it has to."""
