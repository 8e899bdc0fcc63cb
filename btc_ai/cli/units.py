"""The service's files for systemd: where they go and what stands in them; and systemctl."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import btc_ai
from btc_ai.errors import BtcAiError
from btc_ai.paths import SYSTEM_CONFIG, SYSTEM_UNIT, user_config
from btc_ai.updates.layout import Layout, own_layout

SYSTEM_DATA, SYSTEM_LOGS = Path("/var/lib/btc-ai"), Path("/var/log/btc-ai")
TAKES_UP, LOOKS = "btc-ai-update.service", "btc-ai-autoupdate.path"
UPDATERS = (TAKES_UP, LOOKS, "btc-ai-autoupdate.service")
"""Units of an installation in release slots; the first two are enabled."""
_ROOT = "/opt/btc-ai"
_RELEASE = f"{_ROOT}/current"
_HIDDEN = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))
_NO_SYSTEMD = (
    "systemd does not run here; run the daemon in the background with `btc-ai daemon start`, or "
    "have your supervisor run `btc-ai daemon run`"
)


@dataclass(frozen=True)
class Manager:
    """The systemd of the machine, or of one user."""

    user: bool

    def check(self) -> None:
        """Raise BtcAiError, with what to do instead, where there is none that answers."""
        if not Path("/run/systemd/system").is_dir() or shutil.which("systemctl") is None:
            raise BtcAiError(_NO_SYSTEMD)
        if self.user:
            try:
                self.systemctl("show", "--property=Version")
            except BtcAiError as error:
                raise BtcAiError(
                    f"{error}. Log in as this user, or keep its systemd running with "
                    f"`loginctl enable-linger`; without it, use `btc-ai daemon start`"
                ) from None

    def check_rights(self) -> None:
        """Raise BtcAiError where this user may not change the units."""
        if not self.user and os.geteuid() != 0:
            raise BtcAiError(
                "this needs root: run it with sudo, or with --user for a service of your own"
            )

    def systemctl(self, *arguments: str) -> str:
        """What systemctl prints. Raises BtcAiError with its reason."""
        return run("systemctl", *(["--user"] if self.user else []), "--no-pager", *arguments)

    def files(self, prefix: Path) -> dict[Path, str]:
        """What `install` writes, by path: units that run the release in `prefix`."""
        if self.user:
            slots = {self.slots: "btc-ai-slots-user.conf"} if _is_slots(prefix) else {}
            files = {self.unit: "btc-ai-user.service", **slots}
            return {path: _template(name, prefix) for path, name in files.items()}
        found = {
            self.unit: _template("btc-ai.service", prefix),
            Path("/etc/sysusers.d/btc-ai.conf"): _template("btc-ai.sysusers", prefix),
            Path("/etc/tmpfiles.d/btc-ai.conf"): _template("btc-ai.tmpfiles", prefix),
        }
        if Path("/dev/nvidiactl").exists():
            found[self.gpu] = _template("btc-ai-gpu.conf", prefix)
        if _is_slots(prefix):
            found[self.slots] = _template("btc-ai-slots.conf", prefix)
            found |= {self.unit.with_name(one): _template(one, prefix) for one in UPDATERS}
        return found

    @property
    def unit(self) -> Path:
        """Where the unit is written."""
        if self.user:
            return user_config().parents[1] / "systemd/user" / SYSTEM_UNIT.name
        return SYSTEM_UNIT

    @property
    def gpu(self) -> Path:
        """Where the drop-in for GPUs is written."""
        return self.unit.with_name(f"{SYSTEM_UNIT.name}.d") / "gpu.conf"

    @property
    def slots(self) -> Path:
        """Where the drop-in of an installation in release slots is written."""
        return self.unit.with_name(f"{SYSTEM_UNIT.name}.d") / "slots.conf"

    @property
    def updaters(self) -> list[Path]:
        """Where the units that install releases are written."""
        return [] if self.user else [self.unit.with_name(one) for one in UPDATERS]

    def enable_updaters(self) -> None:
        """Take an installation up after a restart of the machine, and look for requests."""
        if all(one.exists() for one in self.updaters) and self.updaters:
            self.systemctl("enable", TAKES_UP, LOOKS)
            self.systemctl("start", LOOKS)

    def stop_installation(self) -> bool:
        """Stop an installation of a release, which would start the service; say whether one ran."""
        state = self.systemctl("show", "--value", "--property=ActiveState", TAKES_UP).strip()
        if state in ("inactive", "failed"):
            return False
        self.systemctl("stop", TAKES_UP)
        return True

    def disable_updaters(self) -> None:
        """The contrary of `enable_updaters`."""
        if there := [one.name for one in self.updaters if one.exists()]:
            self.systemctl("disable", "--now", *there)


def release_prefix() -> Path:
    """The environment that a unit is to run: this one, or whatever release is current."""
    layout, slots = own_layout()
    return layout.current if slots else Path(sys.prefix)


def run(*command: str) -> str:
    """What a command prints. Raises BtcAiError with its reason where it fails."""
    known = {"XDG_RUNTIME_DIR": f"/run/user/{os.getuid()}"} | os.environ
    try:
        done = subprocess.run(command, env=known, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BtcAiError(f"cannot run {command[0]}: {error.strerror}") from None
    if done.returncode:
        reason = done.stderr.strip() or f"exit code {done.returncode}"
        raise BtcAiError(f"`{' '.join(command)}` failed: {reason}")
    return done.stdout


def default_system_config() -> str:
    """The service's configuration: the defaults, with its folders under /var."""
    from btc_ai.config import default_config

    folders = {
        "MODELS_DIR": SYSTEM_DATA / "Models",
        "DATA_DIR": SYSTEM_DATA / "Data",
        "LOG_DIR": SYSTEM_LOGS,
        "KEYS_DIR": SYSTEM_DATA / "Keys",
        "BACKUPS_DIR": SYSTEM_DATA / "Backups",
    }
    values = default_config().model_dump(mode="json")
    values |= {key: str(path) for key, path in folders.items()}
    return json.dumps(values, indent=4) + "\n"


def write(path: Path, text: str) -> bool:
    """Write a file where it does not hold `text` yet; say whether. Raises BtcAiError."""
    try:
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BtcAiError(f"cannot write {path}: {error.strerror}") from None
    return True


def check_release(prefix: Path, *, user: bool) -> None:
    """Raise BtcAiError where no unit could run the release in `prefix`."""
    daemon = prefix / "bin/btc-ai-daemon"
    if not os.access(daemon, os.X_OK):
        raise BtcAiError(
            f"there is no {daemon}; install BTC-AI with pip first, or name its environment "
            "with --prefix"
        )
    if set(str(prefix)) & set(" \t\n\"'\\;$%"):
        raise BtcAiError(f"a unit cannot name {prefix}; use a folder without blanks and signs")
    if user:
        return
    used = [daemon, (prefix / "bin/python").resolve()]
    if prefix.resolve() == Path(sys.prefix).resolve():
        used.append(Path(btc_ai.__file__))
    for path in used:
        if not _open_to_all(path):
            raise BtcAiError(
                f"the service's own user cannot reach {path}; install BTC-AI where everybody can "
                "read it, with a Python that everybody can run: /opt/btc-ai, say. Or use --user"
            )


def _open_to_all(path: Path) -> bool:
    if any(hidden in path.parents for hidden in _HIDDEN):
        return False
    return all(folder.stat().st_mode & 0o001 for folder in path.parents)


def _template(name: str, prefix: Path) -> str:
    package = Path(btc_ai.__file__).parent
    folders = (package / "systemd", package.parent / "systemd")  # a wheel's, a checkout's
    folder = next((one for one in folders if (one / name).is_file()), None)
    if folder is None:
        raise BtcAiError(f"this installation lacks {name}; install BTC-AI again")
    text = (folder / name).read_text(encoding="utf-8").replace(_RELEASE, str(prefix))
    return text.replace(_ROOT, str(prefix.parent)) if _is_slots(prefix) else text


def _is_slots(prefix: Path) -> bool:
    return prefix.name == "current" and Layout(prefix.parent).controller.is_file()


def has_default_config() -> bool:
    """Whether the service's configuration is as `install` writes it."""
    try:
        return SYSTEM_CONFIG.read_text(encoding="utf-8") == default_system_config()
    except OSError:
        return False
