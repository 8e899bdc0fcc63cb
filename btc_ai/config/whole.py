"""The whole configuration. Directories are relative to the file that names them."""

from pathlib import Path

from pydantic import Field, ValidationInfo, field_serializer, field_validator

from btc_ai.config.fields import (
    DEFAULT_MAX_EPISODES,
    INTERVAL_PATTERN,
    LARGEST_BATCH,
    LARGEST_BUFFER,
    SYMBOL_PATTERN,
    Count,
    Directory,
    Fraction,
    Name,
    PluginName,
    Section,
    nearest,
)
from btc_ai.config.sections import (
    BucketConfig,
    Dashboard,
    History,
    KnowledgeTransfer,
    Logging,
    Monitoring,
    PluginSection,
    ProgressiveTraining,
    Remote,
    Supervision,
    UpdateSystem,
    default_buckets,
)
from btc_ai.names import BUILTIN_LEARNERS


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
