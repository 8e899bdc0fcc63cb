"""Features: small causal functions of one hole-free run of candles, by name."""

from btc_ai.market.features.builtin import builtin_features
from btc_ai.market.features.matrix import FeatureMatrix, build_features, feature_of
from btc_ai.market.features.registry import Feature, FeatureRegistry

__all__ = [
    "Feature", "FeatureMatrix", "FeatureRegistry", "build_features", "builtin_features",
    "feature_of",
]  # fmt: skip
