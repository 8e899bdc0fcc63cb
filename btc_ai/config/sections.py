"""The sections of the configuration, typed: every key of the guide, upper case as there.

Directories are relative to the file that names them.
"""

import difflib
import ipaddress
import logging
import re
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_serializer,
    field_validator,
)

from btc_ai.names import BUILTIN_LEARNERS, TransferVerify

BUILTIN_FEATURES = (
    "price", "volume", "macd", "rsi", "ema", "bollinger", "ichimoku", "fibonacci",
)  # fmt: skip
HORIZON_LIMIT = 100_000
LARGEST_BATCH = 65_536
LARGEST_BUFFER = 10_000_000
LONGEST_S = 10**7
"""Seconds, some four months: who asks for more has mistyped."""
SAMPLE_SYMBOL = "SAMPLE/USDT"
DEFAULT_MAX_EPISODES = 100
DEFAULT_MAX_MEMORY_USAGE = 0.8
SYMBOL_PATTERN = r"^[A-Za-z0-9]{1,20}/[A-Za-z0-9]{1,20}(:[A-Za-z0-9-]{1,20})?$"
HOST_PATTERN = r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?(:[1-9]\d{0,4})?$"
INTERVAL_PATTERN = r"^[1-9]\d*[smhdw]$"


def _directory(value: object, info: ValidationInfo) -> object:
    base = (info.context or {}).get("base", Path.cwd())
    if not isinstance(value, str | Path):
        return value
    if not str(value):
        raise ValueError("must name a folder")
    try:
        return (base / Path(value).expanduser()).resolve()
    except (OSError, RuntimeError) as error:  # no such user's home, or links in a circle
        raise ValueError(f"is no folder's name ({error})") from None


def _printf_format(value: str) -> str:
    if value == "json":
        return value
    if value.startswith("\t") or "\n" in value:
        raise ValueError("must be one line, and not begin with a tab, as tracebacks do")
    if len(value) > 1000 or re.search(r"\)[^a-zA-Z%]*\d{4}", value):
        raise ValueError("must be shorter than 1000 characters, its fields narrower too")
    record = logging.LogRecord("name", logging.INFO, "path", 1, text := "what happened", (), None)
    try:
        shown = value % {**record.__dict__, "asctime": "now", "message": text}
    except (KeyError, ValueError, TypeError) as error:
        raise ValueError(f"is no format of Python's logging ({error})") from None
    if text not in shown:
        raise ValueError("must contain %(message)s, or be json")
    return value


def _lasting(value: str) -> str:
    begin, _, end = value.partition("-")
    if begin == end:
        raise ValueError("must end at another time than it begins; null means always")
    return value


def _encrypted(url: str) -> str:
    host = urlsplit(url).hostname or ""
    if url.startswith("http://") and host not in {"localhost", "127.0.0.1", "::1"}:
        raise ValueError("must begin with https://, unless the server is on this machine")
    return url


Directory = Annotated[Path, BeforeValidator(_directory)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(gt=0, le=10**9)]
NAME_WORDS = "at most 64 of A-Z, a-z, 0-9, - and _, a letter or digit first"
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
PLUGIN_NAME_WORDS = "at most 32 of a-z, 0-9, - and _, a letter first"
PluginName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


class Section(BaseModel):
    """A part of the configuration; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, validate_default=True)


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


def _address(value: str) -> str:
    try:
        return str(ipaddress.ip_address("127.0.0.1" if value == "localhost" else value))
    except ValueError:
        raise ValueError("is no address such as 127.0.0.1 or ::1") from None


class Dashboard(Section):
    """The dashboard, and where it is reached."""

    ENABLED: bool = Field(
        True, description="Let the daemon serve it; needs MONITORING.ENABLED, which writes it down"
    )
    ADDRESS: Annotated[str, AfterValidator(_address)] = Field(
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
    UPDATE_SERVER: Annotated[str, AfterValidator(_encrypted)] = Field(
        "https://updates.btc-ai.example.com/api/updates",
        pattern=r"^https?://[^\s/]+",
        description="URL of the update server; https, but for one on this machine",
    )
    TRUSTED_ROOT: Directory | None = Field(
        None,
        description="File with the root of trust of a server of one's own; null: as shipped",
    )
    CHECK_INTERVAL_DAYS: float = Field(7, gt=0, le=3650, description="Days between update checks")
    WINDOW: Annotated[str, AfterValidator(_lasting)] | None = Field(
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
    LOG_FORMAT: Annotated[str, AfterValidator(_printf_format)] = Field(
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


class Config(Section):
    """The whole configuration. Keys that the guide lacks (SYMBOL, COST_BPS, …) have defaults."""

    MODELS_DIR: Directory = Field(Path("Models"), description="Directory for saving models")
    DATA_DIR: Directory = Field(Path("Data"), description="Directory for training data")
    LOG_DIR: Directory = Field(Path("Logs"), description="Directory for log files")
    KEYS_DIR: Directory = Field(
        Path("Keys"), description="Directory for the keys of clients over TCP"
    )
    BACKUPS_DIR: Directory = Field(Path("Backups"), description="Directory for backups")

    HISTORY_URL: str | None = Field(
        None,
        pattern=r"^postgres(ql)?://([^@/?#\s]*@)?[^@/?#\s]*(/[^@\s]*)?$",
        description="PostgreSQL database for the history, "
        "postgresql://user:password@host/database; null: history.sqlite3 in MODELS_DIR",
    )

    SYMBOL: str = Field(
        "BTC/USDT", pattern=SYMBOL_PATTERN, description="Market to train on, BASE/QUOTE"
    )
    INTERVAL: str = Field("5m", pattern=INTERVAL_PATTERN, description="Candle interval")
    COST_BPS: float = Field(
        6.0, ge=0, le=1000, description="Cost of a trade in basis points of its size, a side"
    )
    SEED: int = Field(0, ge=0, lt=2**63, description="Seed of a run where none is given")

    LEARNER: str = Field(
        "cfq",
        description="Learning algorithm: cfq (CF-Q(λ)), pqn (PQN), dqn (Double DQN) or a plugin's",
        json_schema_extra={
            "anyOf": [{"enum": list(BUILTIN_LEARNERS)}, {"pattern": "^[a-z][a-z0-9_-]*$"}]
        },
    )
    LEARNING_RATE: float = Field(0.0005, gt=0, le=1, description="Learning rate of the optimizer")
    GAMMA: float = Field(0.99, gt=0, lt=1, description="Discount factor for future rewards")
    BATCH_SIZE: int = Field(
        32,
        gt=0,
        le=LARGEST_BATCH,
        description=f"Batch size for training, at most {LARGEST_BATCH:,} (some 7 GB)",
    )
    BUFFER_SIZE: int = Field(
        10000,
        gt=0,
        le=LARGEST_BUFFER,
        description="Decisions in an episode; with LEARNER dqn also its replay buffer's capacity; "
        f"at most {LARGEST_BUFFER:,}",
    )
    MAX_EPISODES: Count = Field(DEFAULT_MAX_EPISODES, description="Maximum episodes per bucket")

    USE_GPU: bool = Field(True, description="Whether to use GPU acceleration")
    MEMORY_LIMIT_PERCENT: Fraction = Field(0.85, description="Maximum GPU memory usage (0-1)")
    MEMORY_WARNING_PERCENT: Fraction = Field(
        0.65, description="Warning threshold for memory usage (0-1)"
    )

    BUCKET_CONFIGS: dict[Name, BucketConfig] = Field(
        default_factory=default_buckets, min_length=1, description="The buckets, by name"
    )
    PROGRESSIVE_TRAINING: ProgressiveTraining = Field(  # type: ignore[assignment]  # validated
        default_factory=dict, description="Training buckets one after the other"
    )
    KNOWLEDGE_TRANSFER: KnowledgeTransfer = Field(
        default_factory=KnowledgeTransfer, description="What one bucket hands to the next"
    )
    MONITORING: Monitoring = Field(
        default_factory=Monitoring, description="What is measured and shown while training"
    )
    DASHBOARD: Dashboard = Field(
        default_factory=Dashboard, description="The dashboard, and where it is reached"
    )
    HISTORY: History = Field(
        default_factory=History, description="How long what was measured is kept"
    )
    UPDATE_SYSTEM: UpdateSystem = Field(
        default_factory=UpdateSystem, description="How the program keeps itself current"
    )
    LOGGING: Logging = Field(
        default_factory=Logging, description="What is logged, where, and in which form"
    )
    SUPERVISION: Supervision = Field(
        default_factory=Supervision, description="When a worker is stalled, or takes too much"
    )
    REMOTE: Remote = Field(
        default_factory=Remote, description="Commands and events over TCP, for clients with a key"
    )
    PLUGINS: dict[PluginName, PluginSection] = Field(
        default_factory=dict, description="What a plugin is allowed and told, by its name"
    )

    @field_serializer("MODELS_DIR", "DATA_DIR", "LOG_DIR", "KEYS_DIR", "BACKUPS_DIR")
    def _as_text(self, path: Path) -> str:
        return str(path)

    def plugin(self, name: str) -> PluginSection:
        """What the configuration says of a plugin, or the defaults."""
        section = self.PLUGINS.get(name) or PluginSection()
        needed = {
            "monitoring": self.MONITORING.ENABLED,
            "dashboard": self.MONITORING.ENABLED and self.DASHBOARD.ENABLED,
        }
        if not needed.get(name, True):
            return section.model_copy(update={"ENABLED": False})
        return section

    @field_validator("LEARNER")
    @classmethod
    def _known_learner(cls, name: str, info: ValidationInfo) -> str:
        known = (info.context or {}).get("learners", BUILTIN_LEARNERS)
        if name not in known:
            raise ValueError(f"is no learner{nearest(name, known)}; known are {', '.join(known)}")
        return name

    @field_validator("MEMORY_WARNING_PERCENT")
    @classmethod
    def _warning_below_limit(cls, warning: float, info: ValidationInfo) -> float:
        limit = info.data.get("MEMORY_LIMIT_PERCENT", 1.0)
        if warning > limit:
            raise ValueError(f"must not be above MEMORY_LIMIT_PERCENT ({limit})")
        return warning

    @field_validator("PROGRESSIVE_TRAINING")
    @classmethod
    def _every_bucket_by_default(
        cls, section: ProgressiveTraining, info: ValidationInfo
    ) -> ProgressiveTraining:
        sequence = section.SEQUENCE or list(info.data.get("BUCKET_CONFIGS", ()))
        return section.model_copy(update={"SEQUENCE": sequence})


def nearest(word: str, known: Collection[str]) -> str:
    """` (did you mean 'x'?)` for the known name most like `word`, or nothing."""
    folded = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return f" (did you mean {folded[close[0]]!r}?)" if close else ""
