"""PLUGINS.notify.SETTINGS: the channels, what goes where, and how often it is tried."""

import ipaddress
import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FilePath,
    SecretStr,
    model_validator,
)

Topic = Literal["run_done", "run_failed", "run_stopped", "rollback", "plugin_failed", "update"]
TOPICS: tuple[Topic, ...] = get_args(Topic)
PORTS = {"starttls": 587, "ssl": 465, "none": 25}


def _read_secret(value: Any) -> Any:
    """Text as it is; {"file": an absolute path} and {"env": a variable}: what is in there."""
    match value:
        case {"file": str(path)} if len(value) == 1:
            return _read_file(Path(path))
        case {"env": str(name)} if len(value) == 1:
            if not (found := os.environ.get(name)):
                raise ValueError(f"the daemon's environment has no {name}")
            return found
        case str() | SecretStr():
            return value
    raise ValueError('must be text, {"file": "/absolute/path"} or {"env": "NAME"}')


def _read_file(path: Path) -> str:
    if not path.is_absolute():
        raise ValueError("the file of a secret is named by an absolute path")
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read ({type(error).__name__})") from None
    if not text:
        raise ValueError(f"{path} is empty")
    return text


Secret = Annotated[SecretStr, BeforeValidator(_read_secret)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class _Channel(_Part):
    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$", description="Its name in the status")
    events: list[Topic] = Field(list(TOPICS), min_length=1, description="What it is told of")
    ca_file: FilePath | None = Field(None, description="Trust these certificates alone (PEM)")


class WebhookSettings(_Channel):
    """A URL that takes POSTs. Its path is often a secret, so all of it is treated as one."""

    secret_url: Secret = Field(description="https://… or http://…")
    format: Literal["json", "slack", "discord", "text"] = Field("json", description="The body")
    secret_headers: dict[str, Secret] = Field(
        default_factory=dict, description="Headers to send, such as Authorization"
    )

    @model_validator(mode="after")
    def _usable_url(self) -> Self:
        try:
            parts = urlsplit(self.secret_url.get_secret_value())
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise ValueError("secret_url must be a URL that begins with https:// or http://")
        return self


class MailSettings(_Channel):
    """A mailbox, through a server that takes mail."""

    host: str = Field(min_length=1, max_length=253, description="The server")
    port: int = Field(0, ge=0, le=65535, description="0: 587, 465 or 25, as `security` says")
    security: Literal["starttls", "ssl", "none"] = Field("starttls", description="How it is kept")
    user: str | None = Field(None, description="To log in with")
    password: Secret | None = Field(None, description="To log in with")
    sender: str = Field(pattern=r"^[^@\s]+@[^@\s]+$", description="From")
    recipients: list[Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]] = Field(
        min_length=1, description="To"
    )

    @model_validator(mode="after")
    def _no_password_in_clear(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password are given together, or not at all")
        if self.password is not None and self.security == "none" and not _is_local(self.host):
            raise ValueError(
                f"the password would go to {self.host} unencrypted; set security to starttls or ssl"
            )
        return self

    @property
    def port_in_use(self) -> int:
        """The port, or the usual one."""
        return self.port or PORTS[self.security]


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Settings(_Part):
    """All channels. A message is tried `attempts` times, waiting twice as long after each."""

    webhooks: list[WebhookSettings] = Field(default_factory=list, description="URLs to POST to")
    emails: list[MailSettings] = Field(default_factory=list, description="Mailboxes")
    timeout_s: float = Field(10.0, gt=0, le=60, description="Seconds for one attempt")
    attempts: int = Field(8, ge=1, le=100, description="How often a message is tried")
    first_delay_s: float = Field(2.0, gt=0, le=3600, description="Seconds before the second")
    max_delay_s: float = Field(300.0, gt=0, le=3600, description="Seconds between two, at most")
    queue: int = Field(
        100, ge=1, le=10_000, description="Messages that wait, a channel; older ones are dropped"
    )

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [one.name for one in (*self.webhooks, *self.emails)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two channels are named {', '.join(twice)}")
        return self
