"""Where a daemon is reached: the sockets of this machine, or TCP with a key."""

import json
import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from btc_ai.errors import BtcAiError, ConfigError
from btc_ai.paths import command_socket, event_socket

KNOCK_S = 5.0
_KEY = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")


class Address(Protocol):
    """Where a client connects to."""

    def listens(self) -> bool:
        """Whether a process listens there; its daemon may still refuse this client."""

    def connect_commands(self, made: Any) -> None:
        """Connect a DEALER."""

    def connect_events(self, made: Any) -> None:
        """Connect a SUB."""

    @property
    def advice(self) -> str:
        """What to say where no daemon answers."""


@dataclass(frozen=True)
class Local:
    """The sockets in a runtime folder."""

    runtime: Path

    def listens(self) -> bool:
        """Whether a live process has bound the command socket (a stale file refuses)."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1.0)
            try:
                probe.connect(str(command_socket(self.runtime)))
            except BlockingIOError:  # it listens, and others are knocking
                return True
            except OSError:
                return False
            return True

    def connect_commands(self, made: Any) -> None:
        """Connect a DEALER."""
        made.connect(f"ipc://{command_socket(self.runtime)}")

    def connect_events(self, made: Any) -> None:
        """Connect a SUB."""
        made.connect(f"ipc://{event_socket(self.runtime)}")

    @property
    def advice(self) -> str:
        """Start one."""
        return (
            f"no daemon is reachable at {self.runtime}; start one with `btc-ai daemon start`"
        )  # fmt: skip


@dataclass(frozen=True)
class Host:
    """A daemon on TCP, and the key that this client has there."""

    name: str
    address: str
    command_port: int
    event_port: int
    server_key: str
    public_key: str
    secret_key: str

    def listens(self) -> bool:
        """Whether something accepts connections at the command port."""
        with suppress(OSError):
            socket.create_connection((self.address, self.command_port), KNOCK_S).close()
            return True
        return False

    def connect_commands(self, made: Any) -> None:
        """Connect a DEALER, encrypted."""
        self._connect(made, self.command_port)

    def connect_events(self, made: Any) -> None:
        """Connect a SUB, encrypted."""
        self._connect(made, self.event_port)

    def _connect(self, made: Any, port: int) -> None:
        made.curve_serverkey = self.server_key.encode()
        made.curve_publickey = self.public_key.encode()
        made.curve_secretkey = self.secret_key.encode()
        made.ipv6 = ":" in self.address
        made.heartbeat_ivl = 10_000
        made.connect(endpoint(self.address, port))

    @property
    def advice(self) -> str:
        """What there is to look at: a closed port and a refused key look the same from here."""
        return (
            f"no daemon answers at {self.address}, ports {self.command_port} and "
            f"{self.event_port}; look there whether it runs (`btc-ai daemon status`), whether "
            "REMOTE.ENABLED is true and the ports are open, and whether the key "
            f"{self.name} has been revoked (`btc-ai keys list`)"
        )


def endpoint(address: str, port: int) -> str:
    """The ZeroMQ endpoint of an address and a TCP port."""
    return f"tcp://[{address}]:{port}" if ":" in address else f"tcp://{address}:{port}"


def read_host(path: Path) -> Host:
    """The host in a file that `btc-ai keys new` wrote. Raises ConfigError with what is wrong."""
    text = read_private(path, f"copy the file that `btc-ai keys new` wrote to {path}")
    try:
        host = Host(**json.loads(text))
        sound = (
            all(_KEY.fullmatch(one) for one in (host.server_key, host.public_key, host.secret_key))
            and all(type(one) is str for one in (host.name, host.address))
            and all(type(one) is int for one in (host.command_port, host.event_port))
        )
    except (ValueError, TypeError):
        sound = False
    if not sound:
        raise ConfigError(f"{path} is no host's file; make one with `btc-ai keys new` at the host")
    return host


def read_private(path: Path, missing: str) -> str:
    """The text of a file that holds a secret. Raises ConfigError, also where others may read it."""
    try:
        mode, text = path.stat().st_mode, path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"there is no {path}; {missing}") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {path}: {_reason(error)}") from None
    if mode & 0o077:
        raise ConfigError(f"other users may read {path}, which holds a secret key; chmod 600 it")
    return text


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error)


def unusable(what: str, error: OSError) -> BtcAiError:
    """The error of a file or folder that this user cannot use."""
    return BtcAiError(f"cannot {what}: {error.strerror}; do it as the daemon's user")
