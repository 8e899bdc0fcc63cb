"""The errors a plugin raises and meets; what a user reads is their message."""

from btc_ai.errors import (
    BtcAiError,
    BusError,
    ConfigError,
    DataError,
    HistoryError,
    PluginError,
    TrainingError,
    UpdateError,
    UsageError,
)

__all__ = [
    "BtcAiError",
    "BusError",
    "ConfigError",
    "DataError",
    "HistoryError",
    "PluginError",
    "TrainingError",
    "UpdateError",
    "UsageError",
]
