"""The plugin contract: hooks, messages, Service and Context, errors."""

from typing import Final

import pluggy

API_VERSION: Final = "1.1"
"""The version of this contract; a plugin's manifest states the range it works with."""

hookimpl = pluggy.HookimplMarker("btc_ai")
"""Marks a plugin's implementation of a hook of `btc_ai.api.hooks`."""
