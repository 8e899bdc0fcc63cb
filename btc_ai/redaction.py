"""What must not be shown: values under telling keys, passwords in URLs, and known secrets in text.

Standard library alone, so that everything that writes can use it.
"""

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

HIDDEN = "***"
SHORTEST = 4
"""Shorter secrets are not looked for in text: they would hide half of every line."""

_WORDS = frozenset(
    {
        "accesskey", "apikey", "auth", "authorization", "bearer", "cookie", "cookies",
        "credential", "credentials", "dsn", "key", "keys", "passphrase", "passwd", "password",
        "passwords", "privatekey", "pwd", "secret", "secrets", "token", "tokens",
    }
)  # fmt: skip
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_USER_INFO = re.compile(r"(://)([^/?#\s'\"]*)@")
_PARAMETER = re.compile(r"([?&;])([^=&;#\s'\"]+)=([^&;#\s'\"]+)")


def is_secret(key: object) -> bool:
    """Whether a key's name tells of a secret: `api_key`, `SMTP_PASSWORD`, `authToken`."""
    return _is_secret(str(key))


@lru_cache(maxsize=4096)
def _is_secret(key: str) -> bool:
    return not _WORDS.isdisjoint(word.lower() for word in _WORD.findall(key))


def redact(value: Any, key: object = "") -> Any:
    """`value` with HIDDEN for each secret in it: by its key, or as part of a URL.

    Mappings, lists and tuples are copied; other values than text are kept.
    """
    if value is None or isinstance(value, bool):
        return value
    if is_secret(key):
        return HIDDEN
    if isinstance(value, str):
        return redact_urls(value)
    if isinstance(value, int | float):
        return value
    if isinstance(value, Mapping):
        return {inner: redact(one, inner) for inner, one in value.items()}
    return [redact(one) for one in value] if isinstance(value, list | tuple) else value


def redact_urls(text: str) -> str:
    """`text` without user names and passwords in URLs, and without telling parameters."""
    if "://" not in text and "=" not in text:
        return text
    text = _USER_INFO.sub(rf"\1{HIDDEN}@", text)
    return _PARAMETER.sub(
        lambda found: f"{found[1]}{found[2]}={HIDDEN}" if is_secret(found[2]) else found[0], text
    )


def secrets_of(value: Any, key: object = "", *, secret: bool = False) -> set[str]:
    """Every text that `redact` would hide in `value`, so that it can be hidden elsewhere too."""
    secret = secret or is_secret(key)
    if isinstance(value, Mapping):
        return {
            found
            for inner, one in value.items()
            for found in secrets_of(one, inner, secret=secret)
        }  # fmt: skip
    if isinstance(value, list | tuple):
        return {found for one in value for found in secrets_of(one, secret=secret)}
    if value is None or isinstance(value, bool):
        return set()
    if secret:
        return {str(value)}
    return _in_urls(value) if isinstance(value, str) else set()


def _in_urls(text: str) -> set[str]:
    found = {part for _, info in _USER_INFO.findall(text) for part in (info.partition(":")[2],)}
    found |= {value for _, name, value in _PARAMETER.findall(text) if is_secret(name)}
    return {form for one in found for form in (one, unquote(one))} - {""}


class Redactor:
    """Hides known secrets in text, as they are and as they look quoted."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Look for these; those shorter than SHORTEST are passed over."""
        forms = {form for one in secrets if len(one) >= SHORTEST for form in _forms(one)}
        longest_first = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def __call__(self, text: str) -> str:
        """The text with HIDDEN for each secret, and without those in URLs."""
        text = redact_urls(text)
        return self._pattern.sub(HIDDEN, text) if self._pattern else text


def _forms(secret: str) -> set[str]:
    quoted = {repr(secret)[1:-1], json.dumps(secret)[1:-1], quote(secret), quote(secret, safe="")}
    return {secret, *quoted, json.dumps(secret, ensure_ascii=False)[1:-1]}
