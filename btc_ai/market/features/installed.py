"""The built-in features and those of the installed plugins."""

from btc_ai.api.registration import register_installed
from btc_ai.api.service import Logger
from btc_ai.market.features.builtin import builtin_features
from btc_ai.market.features.registry import FeatureRegistry


def installed_features(log: Logger) -> FeatureRegistry:
    """A registry of all features there are; a plugin that fails is left out, and logged."""
    registry = builtin_features()
    register_installed(
        "features",
        lambda manifest: manifest.features,
        lambda hook: hook.btc_ai_features(registry=registry),
        log,
    )
    return registry
