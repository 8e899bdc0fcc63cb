"""BTC-AI: trains trading agents on Bitcoin candles, from short horizons to long ones."""

__version__ = "0.1.0"
