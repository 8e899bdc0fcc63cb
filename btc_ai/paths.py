"""Where things are: the configuration file, the runtime directory and its sockets.

Standard library alone, so that the command line starts fast.
"""

import os
from pathlib import Path

CONFIG_NAME = "btc_ai.json"
SYSTEM_CONFIG = Path("/etc/btc-ai") / CONFIG_NAME
SYSTEM_RUNTIME = Path("/run/btc-ai")


def _xdg(variable: str, fallback: str) -> Path:
    value = os.environ.get(variable, "")
    return (Path(value) if Path(value).is_absolute() else Path.home() / fallback) / "btc-ai"


def user_config() -> Path:
    """The configuration file in the user's configuration folder."""
    return _xdg("XDG_CONFIG_HOME", ".config") / CONFIG_NAME


def user_data() -> Path:
    """The folder for models, candles and logs where no configuration names one."""
    return _xdg("XDG_DATA_HOME", ".local/share")


def find_config(explicit: Path | None = None) -> Path | None:
    """The configuration file in force: `--config`, `BTC_AI_CONFIG`, the user's, the system's.

    A file that was asked for by name is returned even where it does not exist, so that the
    mistake is reported rather than passed over. None: the documented defaults hold.
    """
    if explicit is not None:
        return explicit.expanduser().absolute()
    if named := os.environ.get("BTC_AI_CONFIG"):
        return Path(named).expanduser().absolute()
    return next((path for path in (user_config(), SYSTEM_CONFIG) if path.is_file()), None)


def runtime_dir() -> Path:
    """The folder of the daemon's sockets and lock: one daemon a folder.

    `BTC_AI_RUNTIME_DIR`, else what systemd made for the service, else the user's own; a user
    without a daemon of their own finds the system's.
    """
    for variable in ("BTC_AI_RUNTIME_DIR", "RUNTIME_DIRECTORY"):
        if value := os.environ.get(variable):
            return Path(value).absolute()
    base = os.environ.get("XDG_RUNTIME_DIR")
    own = Path(base) / "btc-ai" if base else Path(f"/tmp/btc-ai-{os.getuid()}")
    if not command_socket(own).exists() and command_socket(SYSTEM_RUNTIME).exists():
        return SYSTEM_RUNTIME
    return own


def command_socket(runtime: Path) -> Path:
    """Where commands are sent (ROUTER)."""
    return runtime / "commands.sock"


def event_socket(runtime: Path) -> Path:
    """Where events are heard (XPUB)."""
    return runtime / "events.sock"


def lock_file(runtime: Path) -> Path:
    """Held by the running daemon; holds its process id."""
    return runtime / "daemon.lock"
