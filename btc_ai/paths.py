"""Where things are: the configuration file, the runtime directory and its sockets.

Standard library alone, so that the command line starts fast.
"""

import os
from pathlib import Path

from btc_ai.errors import BtcAiError, ConfigError

CONFIG_NAME = "btc_ai.json"
SYSTEM_CONFIG = Path("/etc/btc-ai") / CONFIG_NAME
SYSTEM_RUNTIME = Path("/run/btc-ai")
SYSTEM_UNIT = Path("/etc/systemd/system/btc-ai.service")
UPDATE_REQUEST = Path("/var/lib/btc-ai/update-request")
"""The service changes it where AUTO_UPDATE is to install; `btc-ai-autoupdate.path` sees that."""


def _xdg(variable: str, fallback: str) -> Path:
    value = os.environ.get(variable, "")
    if Path(value).is_absolute():
        return Path(value) / "btc-ai"
    return _expanded(Path("~") / fallback / "btc-ai", f"HOME or {variable}")


def _expanded(path: Path, named_in: str) -> Path:
    try:
        return path.expanduser().absolute()
    except RuntimeError:
        raise ConfigError(f"there is no home folder for {path}; mend {named_in}") from None


def _is_there(path: Path) -> bool:
    """Whether `path` can be seen; what lies in a folder closed to this user cannot."""
    return os.access(path, os.F_OK)


def user_config() -> Path:
    """The configuration file in the user's configuration folder."""
    return _xdg("XDG_CONFIG_HOME", ".config") / CONFIG_NAME


def user_data() -> Path:
    """The folder for models, candles and logs where no configuration names one."""
    return _xdg("XDG_DATA_HOME", ".local/share")


def host_file(name: str) -> Path:
    """The file that `--host NAME` means: a path, or a name in the user's configuration folder."""
    path = _expanded(Path(name), "--host")
    if "/" in name or path.is_file():
        return path
    return _xdg("XDG_CONFIG_HOME", ".config") / "hosts" / f"{name}.json"


def find_config(explicit: Path | None = None) -> Path | None:
    """The configuration file in force: `--config`, `BTC_AI_CONFIG`, the user's, the system's.

    A file that was asked for by name is returned even where it does not exist, so that the
    mistake is reported rather than passed over. None: the documented defaults hold.
    """
    if explicit is not None:
        return _expanded(explicit, "--config")
    if named := os.environ.get("BTC_AI_CONFIG"):
        return _expanded(Path(named), "BTC_AI_CONFIG")
    return next((path for path in (user_config(), SYSTEM_CONFIG) if _is_there(path)), None)


def runtime_dir() -> Path:
    """The folder of the daemon's sockets and lock: one daemon a folder.

    `BTC_AI_RUNTIME_DIR`, else what systemd made for the service, else the user's own; a user
    without a daemon of their own finds the system's.
    """
    for variable in ("BTC_AI_RUNTIME_DIR", "RUNTIME_DIRECTORY"):
        if value := os.environ.get(variable):
            return Path(
                value.split(":")[0] if variable == "RUNTIME_DIRECTORY" else value
            ).absolute()
    base = os.environ.get("XDG_RUNTIME_DIR")
    own = Path(base) / "btc-ai" if base else Path(f"/tmp/btc-ai-{os.getuid()}")
    if not _is_there(command_socket(own)) and _is_there(command_socket(SYSTEM_RUNTIME)):
        return SYSTEM_RUNTIME
    return own


def candle_file(data_dir: Path, symbol: str, interval: str) -> Path:
    """Where the candles of a market are kept: `BTC-USDT_5m.parquet`."""
    name = symbol.strip().upper().replace("/", "-").replace(":", "-")
    return data_dir / f"{name}_{interval}.parquet"


def latest_model(models_dir: Path, bucket: str) -> Path | None:
    """The directory of a bucket's latest model, if there is one."""
    link = models_dir / bucket / "latest"
    return link.resolve() if (link / "model.json").is_file() else None


def point_latest(model: Path) -> None:
    """Make a model its bucket's latest, atomically; raises BtcAiError where the disk will not."""
    try:
        temporary = model.parent / f".latest-{model.name}"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(model.name)
        temporary.replace(model.parent / "latest")
    except OSError as error:
        raise BtcAiError(f"cannot write to {model.parent}: {error.strerror}") from None


def trials_file(models_dir: Path) -> Path:
    """The ledger of every model that was ever trained."""
    return models_dir / "trials.jsonl"


def transfers_file(models_dir: Path) -> Path:
    """The ledger of every knowledge transfer."""
    return models_dir / "transfers.jsonl"


def reports_dir(models_dir: Path) -> Path:
    """The reports of runs, where no other place is named."""
    return models_dir / "reports"


def report_file(models_dir: Path, run: str, form: str, output: Path | None) -> Path:
    """Where the report of a run goes; output: a file, a folder that is there, or none."""
    folder = output if output is not None and output.is_dir() else None
    if output is not None and folder is None:
        return output.absolute()
    return (folder or reports_dir(models_dir)).absolute() / f"{run}.{form}"


def evaluations_dir(model: Path) -> Path:
    """What `btc-ai evaluate` has found of a model: a file for each range of its market."""
    return model / "evaluations"


def walk_forward_dir(models_dir: Path) -> Path:
    """Walk-forward evaluations, a folder for each."""
    return models_dir / "_evaluations"


def command_socket(runtime: Path) -> Path:
    """Where commands are sent (ROUTER)."""
    return runtime / "commands.sock"


def event_socket(runtime: Path) -> Path:
    """Where events are heard (XPUB)."""
    return runtime / "events.sock"


def plugin_socket(runtime: Path, name: str) -> Path:
    """Where the daemon speaks to a plugin's process (a pair of DEALERs)."""
    return runtime / f"plugin-{name}.sock"


def journal_file(models_dir: Path) -> Path:
    """The job journal."""
    return models_dir / "journal.sqlite3"


def history_file(models_dir: Path) -> Path:
    """The history, where HISTORY_URL names no other database."""
    return models_dir / "history.sqlite3"


def lock_file(runtime: Path) -> Path:
    """Held by the running daemon; holds its process id."""
    return runtime / "daemon.lock"


def models_lock_file(models_dir: Path) -> Path:
    """Held by the daemon that uses a models folder, and by whoever may not meet one there."""
    return models_dir / ".lock"
