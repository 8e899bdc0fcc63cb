"""The errors a plugin raises and meets; what a user reads is their message."""

from btc_ai.errors import (
    BtcAiError,
    BusError,
    ConfigError,
    DataError,
    PluginError,
    TrainingError,
    UsageError,
)

__all__ = [
    "BtcAiError",
    "BusError",
    "ConfigError",
    "DataError",
    "PluginError",
    "TrainingError",
    "UsageError",
]
