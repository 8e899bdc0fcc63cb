"""The sections of the configuration, typed: every key of the guide, upper case as there."""

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_serializer, field_validator

from btc_ai.config.fields import (
    BUILTIN_FEATURES,
    DEFAULT_MAX_MEMORY_USAGE,
    HORIZON_LIMIT,
    HOST_PATTERN,
    LONGEST_S,
    Address,
    Count,
    Directory,
    Fraction,
    Level,
    LogFormat,
    Name,
    Section,
    ServerUrl,
    Window,
    nearest,
)
from btc_ai.names import TransferVerify


class ProgressiveTraining(Section):
    """Training buckets one after the other, from short horizons to long ones."""

    ENABLED: bool = Field(True, description="Enable/disable progressive training")
    SEQUENCE: list[Name] = Field(
        default_factory=list, description="Order of bucket training; empty: as in BUCKET_CONFIGS"
    )
    TRANSFER_KNOWLEDGE: bool = Field(True, description="Enable/disable knowledge transfer")
    EPISODES_PER_BUCKET: Count = Field(20, description="Episodes to train each bucket")
    PAUSE_BETWEEN_BUCKETS: float = Field(
        3, ge=0, le=10**6, description="Seconds between two buckets"
    )

    @field_validator("SEQUENCE")
    @classmethod
    def _known_buckets(cls, names: list[str], info: ValidationInfo) -> list[str]:
        known = (info.context or {}).get("buckets", names)
        unknown = dict.fromkeys(name for name in names if name not in known)
        wrong = [f"unknown bucket {name!r}{nearest(name, known)}" for name in unknown]
        if len(set(names)) < len(names):
            wrong.append("names a bucket twice")
        if wrong:
            raise ValueError(f"{'; '.join(wrong)}; known are {', '.join(known)}")
        return names

    @field_validator("EPISODES_PER_BUCKET")
    @classmethod
    def _at_most_max_episodes(cls, episodes: int, info: ValidationInfo) -> int:
        limit = (info.context or {}).get("max_episodes", episodes)
        if episodes > limit:
            raise ValueError(f"must not be above MAX_EPISODES ({limit})")
        return episodes


class KnowledgeTransfer(Section):
    """What one bucket hands to the next."""

    ENABLED: bool = Field(True, description="Enable/disable knowledge transfer")
    TRANSFER_WEIGHTS: bool = Field(True, description="Enable weight transfer")
    TRANSFER_FEATURES: bool = Field(True, description="Enable feature importance transfer")
    TRANSFER_HORIZONS: bool = Field(True, description="Enable prediction horizon transfer")
    MAX_MEMORY_USAGE: Fraction = Field(
        DEFAULT_MAX_MEMORY_USAGE, description="Memory share a transfer may use (0-1)"
    )
    TRANSFER_VERIFY: TransferVerify = Field(
        "twin",
        description="How a transfer is measured: off, twin (beside a run from scratch) or study",
    )
    STUDY_SEEDS: int = Field(
        10, ge=2, le=100, description="Runs of each arm where TRANSFER_VERIFY is study"
    )


class BucketConfig(Section):
    """One horizon bucket. Horizons count bars."""

    MIN_HORIZON: int = Field(
        ge=1, lt=HORIZON_LIMIT, description="Minimum prediction horizon; bars between decisions"
    )
    MAX_HORIZON: int = Field(ge=2, lt=HORIZON_LIMIT, description="Maximum prediction horizon")
    FEATURES: list[str] = Field(min_length=1, description="List of features to use")

    @field_validator("MAX_HORIZON")
    @classmethod
    def _horizons_in_order(cls, high: int, info: ValidationInfo) -> int:
        low = info.data.get("MIN_HORIZON", 0)
        if low >= high:
            raise ValueError(f"must be above MIN_HORIZON {low}")
        return high

    @field_validator("FEATURES")
    @classmethod
    def _known_features(cls, names: list[str], info: ValidationInfo) -> list[str]:
        known = (info.context or {}).get("features", BUILTIN_FEATURES)
        if unknown := [name for name in names if name not in known]:
            hints = "; ".join(f"unknown feature {name!r}{nearest(name, known)}" for name in unknown)
            raise ValueError(f"{hints}; known are {', '.join(known)}")
        if len(set(names)) < len(names):
            raise ValueError("names a feature twice")
        return names


class Monitoring(Section):
    """What is measured while training, and how often it is shown."""

    ENABLED: bool = Field(True, description="Enable/disable monitoring")
    UPDATE_INTERVAL: float = Field(
        5, gt=0, le=3600, description="Seconds between dashboard updates, at most 3,600"
    )
    METRICS: list[str] = Field(
        default_factory=lambda: ["reward", "loss", "win_rate", "profit_factor"],
        description="List of metrics to track",
    )
    GENERATE_REPORTS: bool = Field(True, description="Enable/disable automatic report generation")
    METRICS_PORT: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Port on 127.0.0.1 for Prometheus (/metrics); null: none",
    )


class Dashboard(Section):
    """The dashboard, and where it is reached."""

    ENABLED: bool = Field(
        True, description="Let the daemon serve it; needs MONITORING.ENABLED, which writes it down"
    )
    ADDRESS: Address = Field(
        "127.0.0.1", description="Address to listen on; beyond this machine it takes a token"
    )
    PORT: int = Field(
        8765, ge=1, le=65535, description="Port to listen on; where it is taken, one of the next 9"
    )
    HOSTS: list[Annotated[str, Field(pattern=HOST_PATTERN)]] = Field(
        default_factory=list,
        description="Other names that browsers reach it by, such as trainer.example",
    )

    @field_validator("HOSTS")
    @classmethod
    def _named_beyond_this_machine(cls, hosts: list[str], info: ValidationInfo) -> list[str]:
        address = info.data.get("ADDRESS", "127.0.0.1")
        if not hosts and not ipaddress.ip_address(address).is_loopback:
            raise ValueError(
                f"must have the name that browsers reach {address} by, such as trainer.example"
            )
        return hosts


class History(Section):
    """How long what was measured is kept. Runs and their metrics are kept for good."""

    RAW_HOURS: float = Field(
        24, gt=0, le=10**5, description="Hours that each sample of the system is kept"
    )
    MINUTE_DAYS: float = Field(
        30, gt=0, le=10**5, description="Days that means of a minute are kept"
    )
    HOUR_DAYS: float = Field(
        3650, gt=0, le=10**5, description="Days that means of an hour are kept"
    )
    EVENTS: Count = Field(100_000, description="Events that are kept, the newest")
    SIGNALS: Count = Field(200_000, description="Signals that are kept, the newest")


class UpdateSystem(Section):
    """How the program keeps itself current."""

    ENABLED: bool = Field(True, description="Enable/disable the update system")
    CHECK_ON_STARTUP: bool = Field(True, description="Check when the application starts")
    AUTO_UPDATE: bool = Field(False, description="Automatically download and install updates")
    UPDATE_SERVER: ServerUrl = Field(
        "https://updates.btc-ai.example.com/api/updates",
        pattern=r"^https?://[^\s/]+",
        description="URL of the update server; https, but for one on this machine",
    )
    TRUSTED_ROOT: Directory | None = Field(
        None,
        description="File with the root of trust of a server of one's own; null: as shipped",
    )
    CHECK_INTERVAL_DAYS: float = Field(7, gt=0, le=3650, description="Days between update checks")
    WINDOW: Window | None = Field(
        None,
        pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$",
        description="When AUTO_UPDATE may install, local time, as in 02:00-05:00; null: always",
    )
    BACKUP_BEFORE_UPDATE: bool = Field(True, description="Create backup before applying updates")

    @field_serializer("TRUSTED_ROOT")
    def _as_text(self, path: Path | None) -> str | None:
        return str(path) if path else None


class Logging(Section):
    """What is logged, where, and in which form."""

    LEVEL: Level = Field("INFO", description="Logging level")
    FILE_LOGGING: bool = Field(True, description="Enable/disable file logging")
    CONSOLE_LOGGING: bool = Field(True, description="Enable/disable console logging")
    MAX_FILE_SIZE_MB: float = Field(
        10,
        ge=0,
        le=10**6,
        description="Maximum log file size before rotation; 0: whatever the size",
    )
    BACKUP_COUNT: int = Field(
        5, ge=0, le=10**6, description="Number of rotated log files to keep; 0: all"
    )
    ROTATION_WHEN: str = Field(
        "midnight",
        pattern=r"^(midnight|[hdHD]|[wW][0-6]|never)$",
        description="When to rotate logs (midnight, h, d, w0-w6; never: leave it to logrotate)",
    )
    LOG_FORMAT: LogFormat = Field(
        "%(asctime)s - %(name)s - %(levelname)s - %(message)s",
        description="Format string for log messages, or json",
    )


class Supervision(Section):
    """When a worker process is held to be stalled, or to take too much."""

    STALLED_AFTER: float = Field(
        120,
        gt=0,
        le=LONGEST_S,
        description="Seconds of silence after which a worker is shown as stalled",
    )
    KILL_STALLED_AFTER: float = Field(
        3600,
        gt=0,
        le=LONGEST_S,
        description="Seconds of silence after which it is killed and restarted",
    )
    WORKER_MEMORY_MB: Count | None = Field(
        None, description="Memory a worker may allocate, MiB; null: as much as there is"
    )


class PluginSection(Section):
    """What a plugin is allowed and told."""

    ENABLED: bool = Field(True, description="Load the plugin")
    ISOLATION: Literal["daemon", "process"] | None = Field(
        None,
        description="Where its service runs; null: bundled ones in the daemon, others in a "
        "process of their own",
    )
    MEMORY_LIMIT_MB: Count = Field(
        1024, description="Memory it may allocate in a process of its own, MiB"
    )
    SETTINGS: dict[str, Any] = Field(
        default_factory=dict, description="Its own settings; the plugin checks them"
    )


class Remote(Section):
    """Commands and events over TCP, for clients with a key (`btc-ai keys new`)."""

    ENABLED: bool = Field(False, description="Listen on TCP; needs keys")
    ADDRESS: str = Field(
        "127.0.0.1", min_length=1, max_length=253, description="Address to listen on"
    )
    COMMAND_PORT: int = Field(5570, ge=1, le=65535, description="TCP port for commands")
    EVENT_PORT: int = Field(5571, ge=1, le=65535, description="TCP port for events")


def default_buckets() -> dict[str, BucketConfig]:
    """The guide's four."""
    horizons = {"Scalping": (1, 72), "Short": (6, 144), "Medium": (24, 288), "Long": (72, 576)}
    return {
        name: BucketConfig(
            MIN_HORIZON=low, MAX_HORIZON=high, FEATURES=list(BUILTIN_FEATURES[: 5 + index])
        )
        for index, (name, (low, high)) in enumerate(horizons.items())
    }
