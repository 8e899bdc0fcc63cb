"""What a feature is, for those who add one."""

from typing import Any, Protocol


class FeatureRegistry(Protocol):
    """Takes features by name."""

    def register(self, name: str, function: Any, lookback: int) -> None:
        """Add a feature.

        `function` is called with the candles of one stretch without holes and returns named
        columns, float64, one value a bar, that look back only. `lookback` counts the bars before
        its first valid value.
        """
