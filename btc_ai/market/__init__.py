"""Candles: sources, the parquet store, quality checks; and the features computed from them."""
