"""When a change of the configuration takes effect."""

from collections.abc import Iterable
from typing import Literal

Effect = Literal["at once", "next run", "restart"]

AT_START = (
    "MODELS_DIR", "LOG_DIR", "KEYS_DIR", "LOGGING", "SUPERVISION", "REMOTE", "PLUGINS",
    "HISTORY", "HISTORY_URL", "MONITORING.METRICS_PORT", "DASHBOARD",
)  # fmt: skip
"""Sections that the daemon reads when it starts; jobs read the others when they begin."""
READ_ANEW = ("MONITORING.UPDATE_INTERVAL", "MONITORING.METRICS", "UPDATE_SYSTEM")
"""Those that are read from the file whenever they are needed."""
AT_ONCE = ("LOGGING.LEVEL", "PLUGINS", "MONITORING.ENABLED", "DASHBOARD.ENABLED", *READ_ANEW)
"""Those that are in force as soon as the daemon has read the file."""


def effect_of(key: str) -> Effect:
    """When a change of a dotted key, such as `LOGGING.LEVEL`, takes effect."""
    if within(key, AT_ONCE):
        return "at once"
    return "restart" if within(key, AT_START) else "next run"


def within(key: str, sections: Iterable[str]) -> bool:
    """Whether a dotted key is one of these sections, or in one."""
    return any(key == section or key.startswith(f"{section}.") for section in sections)
