"""What a page asks first: who answers, what is configured, and what there is to be seen."""

import asyncio
from contextlib import suppress

from starlette.requests import Request

from btc_ai import __version__
from btc_ai.api.service import Body
from btc_ai.api.threads import in_thread
from btc_ai.dashboard.parts import Parts
from btc_ai.errors import BtcAiError
from btc_ai.paths import find_config

PANELS_S = 2.0
"""How long the daemon may take to tell the panels; a page without them is better than none."""


async def hello(parts: Parts, request: Request) -> Body:
    """Everything that does not change while a page is open, and how it stands now."""
    config, (panels, (there, text)) = await asyncio.gather(
        in_thread(parts.current.get),
        asyncio.gather(_panels(parts), parts.store.state()),
    )
    training, file = config.PROGRESSIVE_TRAINING, find_config(parts.config_file)
    return {
        "version": __version__,
        "boot": parts.boot,
        "csrf": parts.csrf,
        "mode": parts.mode,
        "models_dir": str(parts.config.MODELS_DIR),
        "config_file": str(file) if file else None,
        "log_dir": str(parts.config.LOG_DIR),
        "update_interval": parts.update_interval or config.MONITORING.UPDATE_INTERVAL,
        "metrics": config.MONITORING.METRICS,
        "thresholds": {
            "memory_warning": config.MEMORY_WARNING_PERCENT,
            "memory_limit": config.MEMORY_LIMIT_PERCENT,
        },
        "sequence": training.SEQUENCE,
        "buckets": [
            {"name": name, "min_horizon": one.MIN_HORIZON, "max_horizon": one.MAX_HORIZON,
             "features": one.FEATURES}
            for name, one in config.BUCKET_CONFIGS.items()
        ],
        "episodes": training.EPISODES_PER_BUCKET,
        "max_episodes": config.MAX_EPISODES,
        "learners": list(parts.learners),
        "symbol": config.SYMBOL,
        "interval": config.INTERVAL,
        "panels": panels,
        "link": parts.hub.link,
        "history": {"ok": there, "text": text},
    }  # fmt: skip


async def _panels(parts: Parts) -> list[Body]:
    if not parts.hub.connected:
        return []
    with suppress(BtcAiError, TimeoutError):
        async with asyncio.timeout(PANELS_S):
            return await panels_of(parts)
    return []


async def panels_of(parts: Parts) -> list[Body]:
    """The panels of plugins, each with the command that fills it. Raises BtcAiError."""
    running = (await parts.bus.call("daemon.status", {}))["plugins"]
    panels = []
    for name in (one["name"] for one in running if one["name"] not in parts.bundled):
        shown = await parts.bus.call("daemon.plugin", {"plugin": name})
        panels += [{**panel, "plugin": name} for panel in shown.get("panels", ())]
    return panels
