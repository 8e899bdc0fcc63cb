from pathlib import Path
from typing import Any

import pytest
from btc_ai_notify.settings import Settings
from pydantic import ValidationError

HOOK = {"name": "team", "secret_url": "https://hooks.example/T0/hush"}
MAIL = {
    "name": "me", "host": "mail.example", "sender": "btc@example.org",
    "recipients": ["me@example.org"], "user": "btc", "password": "hush",
}  # fmt: skip


def test_secrets_come_from_the_text_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "url").write_text("https://hooks.example/T0/filed\n")
    monkeypatch.setenv("NOTIFY_TOKEN", "from outside")
    hook = HOOK | {
        "secret_url": {"file": str(tmp_path / "url")},
        "secret_headers": {"Authorization": {"env": "NOTIFY_TOKEN"}},
    }
    made = Settings.model_validate({"webhooks": [hook], "emails": [MAIL]})
    assert made.webhooks[0].secret_url.get_secret_value() == "https://hooks.example/T0/filed"
    assert made.webhooks[0].secret_headers["Authorization"].get_secret_value() == "from outside"
    assert made.emails[0].password is not None
    assert made.emails[0].password.get_secret_value() == "hush"
    for text in (repr(made), str(made.model_dump()), made.model_dump_json()):
        assert not any(secret in text for secret in ("hush", "filed", "outside"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"webhooks": [HOOK | {"secret_url": "ftp://hush"}]}, "must be a URL"),
        ({"webhooks": [HOOK | {"secret_url": "https://hush:port/"}]}, "must be a URL"),
        ({"webhooks": [HOOK | {"secret_url": "hush"}]}, "must be a URL"),
        ({"webhooks": [HOOK | {"secret_url": {"file": "hush"}}]}, "absolute path"),
        ({"webhooks": [HOOK | {"secret_url": {"file": "/no/such/file"}}]}, "cannot be read"),
        ({"webhooks": [HOOK | {"secret_url": {"env": "NO_SUCH"}}]}, "has no NO_SUCH"),
        ({"webhooks": [HOOK | {"secret_url": ["hush"]}]}, "must be text"),
        ({"webhooks": [HOOK | {"events": ["run_end"]}]}, "'run_done'"),
        ({"webhooks": [HOOK | {"events": []}]}, "at least 1"),
        ({"webhooks": [HOOK | {"ca_file": "/no/such/file"}]}, "not point to a file"),
        ({"webhooks": [HOOK, HOOK]}, "two channels are named team"),
        ({"emails": [MAIL | {"security": "none"}]}, "unencrypted"),
        ({"emails": [MAIL | {"user": None}]}, "given together"),
        ({"emails": [MAIL | {"recipients": ["me\nBcc: you@example.org"]}]}, "match pattern"),
        ({"emails": [MAIL | {"sender": "nobody"}]}, "match pattern"),
        ({"attempts": 0}, "greater than"),
        ({"atempts": 3}, "Extra inputs"),
    ],
)
def test_what_is_wrong_is_said_without_the_secret(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said) as caught:
        Settings.model_validate(settings)
    assert "hush" not in str(caught.value)


def test_the_usual_ports() -> None:
    ports = [
        Settings.model_validate({"emails": [MAIL | {"host": "127.0.0.1"} | more]})
        .emails[0]
        .port_in_use
        for more in ({}, {"security": "ssl"}, {"security": "none"}, {"port": 2525})
    ]
    assert ports == [587, 465, 25, 2525]
