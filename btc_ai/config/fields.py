"""What keys of the configuration may hold: types, bounds and patterns."""

import difflib
import ipaddress
import logging
import re
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

BUILTIN_FEATURES = (
    "price", "volume", "macd", "rsi", "ema", "bollinger", "ichimoku", "fibonacci",
)  # fmt: skip
HORIZON_LIMIT = 100_000
LARGEST_BATCH = 65_536
LARGEST_BUFFER = 10_000_000
LONGEST_S = 10**7
"""Seconds, some four months: who asks for more has mistyped."""
SAMPLE_SYMBOL = "SAMPLE/USDT"
DEFAULT_MAX_EPISODES = 100
DEFAULT_MAX_MEMORY_USAGE = 0.8
SYMBOL_PATTERN = r"^[A-Za-z0-9]{1,20}/[A-Za-z0-9]{1,20}(:[A-Za-z0-9-]{1,20})?$"
HOST_PATTERN = r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?(:[1-9]\d{0,4})?$"
INTERVAL_PATTERN = r"^[1-9]\d*[smhdw]$"


def _directory(value: object, info: ValidationInfo) -> object:
    base = (info.context or {}).get("base", Path.cwd())
    if not isinstance(value, str | Path):
        return value
    if not str(value):
        raise ValueError("must name a folder")
    try:
        return (base / Path(value).expanduser()).resolve()
    except (OSError, RuntimeError) as error:  # no such user's home, or links in a circle
        raise ValueError(f"is no folder's name ({error})") from None


def _printf_format(value: str) -> str:
    if value == "json":
        return value
    if value.startswith("\t") or "\n" in value:
        raise ValueError("must be one line, and not begin with a tab, as tracebacks do")
    if len(value) > 1000 or re.search(r"\)[^a-zA-Z%]*\d{4}", value):
        raise ValueError("must be shorter than 1000 characters, its fields narrower too")
    record = logging.LogRecord("name", logging.INFO, "path", 1, text := "what happened", (), None)
    try:
        shown = value % {**record.__dict__, "asctime": "now", "message": text}
    except (KeyError, ValueError, TypeError) as error:
        raise ValueError(f"is no format of Python's logging ({error})") from None
    if text not in shown:
        raise ValueError("must contain %(message)s, or be json")
    return value


def _lasting(value: str) -> str:
    begin, _, end = value.partition("-")
    if begin == end:
        raise ValueError("must end at another time than it begins; null means always")
    return value


def _encrypted(url: str) -> str:
    host = urlsplit(url).hostname or ""
    if url.startswith("http://") and host not in {"localhost", "127.0.0.1", "::1"}:
        raise ValueError("must begin with https://, unless the server is on this machine")
    return url


def _address(value: str) -> str:
    try:
        return str(ipaddress.ip_address("127.0.0.1" if value == "localhost" else value))
    except ValueError:
        raise ValueError("is no address such as 127.0.0.1 or ::1") from None


Directory = Annotated[Path, BeforeValidator(_directory)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(gt=0, le=10**9)]
NAME_WORDS = "at most 64 of A-Z, a-z, 0-9, - and _, a letter or digit first"
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
PLUGIN_NAME_WORDS = "at most 32 of a-z, 0-9, - and _, a letter first"
PluginName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
Address = Annotated[str, AfterValidator(_address)]
ServerUrl = Annotated[str, AfterValidator(_encrypted)]
Window = Annotated[str, AfterValidator(_lasting)]
LogFormat = Annotated[str, AfterValidator(_printf_format)]


class Section(BaseModel):
    """A part of the configuration; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, validate_default=True)


def nearest(word: str, known: Collection[str]) -> str:
    """` (did you mean 'x'?)` for the known name most like `word`, or nothing."""
    folded = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return f" (did you mean {folded[close[0]]!r}?)" if close else ""
