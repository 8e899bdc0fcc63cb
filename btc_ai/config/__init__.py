"""The JSON configuration, typed: its sections, and how it is read."""

from btc_ai.config.fields import (
    BUILTIN_FEATURES,
    DEFAULT_MAX_EPISODES,
    DEFAULT_MAX_MEMORY_USAGE,
    HORIZON_LIMIT,
    INTERVAL_PATTERN,
    LARGEST_BATCH,
    SAMPLE_SYMBOL,
    SYMBOL_PATTERN,
    Section,
    nearest,
)
from btc_ai.config.load import default_config, load_config, restore_config, without_secrets
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
)
from btc_ai.config.whole import (
    Config,
)

__all__ = [
    "BUILTIN_FEATURES",
    "DEFAULT_MAX_EPISODES",
    "DEFAULT_MAX_MEMORY_USAGE",
    "HORIZON_LIMIT",
    "INTERVAL_PATTERN",
    "LARGEST_BATCH",
    "SAMPLE_SYMBOL",
    "SYMBOL_PATTERN",
    "BucketConfig",
    "Config",
    "Dashboard",
    "History",
    "KnowledgeTransfer",
    "Logging",
    "Monitoring",
    "PluginSection",
    "ProgressiveTraining",
    "Remote",
    "Section",
    "Supervision",
    "UpdateSystem",
    "default_config",
    "load_config",
    "nearest",
    "restore_config",
    "without_secrets",
]
