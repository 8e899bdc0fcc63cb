"""The built-in features and those of the installed plugins."""

import pluggy

from btc_ai.api import hooks
from btc_ai.api.discovery import discover
from btc_ai.api.service import Logger
from btc_ai.market.features.builtin import builtin_features
from btc_ai.market.features.registry import FeatureRegistry


def installed_features(log: Logger) -> FeatureRegistry:
    """A registry of all features there are; a plugin that fails is left out, and logged."""
    registry = builtin_features()
    for found in discover():
        if found.problem or found.manifest is None or not found.manifest.features:
            continue
        manager = pluggy.PluginManager("btc_ai")
        manager.add_hookspecs(hooks)
        try:
            manager.register(found.load())
            manager.hook.btc_ai_features(registry=registry)
        except Exception:  # a fence: plugin load
            log.error("plugin features", plugin=found.entry_point.name, exc_info=True)
    return registry
