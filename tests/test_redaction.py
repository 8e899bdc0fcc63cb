import logging
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_ai.config import Logging
from btc_ai.daemon.logs import Logs
from btc_ai.logs.capture import logger
from btc_ai.redaction import HIDDEN, SHORTEST, Redactor, is_secret, redact, secrets_of

quick = settings(derandomize=True, deadline=None, max_examples=100)
MARK = "5ecret"
SECRETS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).map(
    lambda text: f"{text}{MARK}{text}"
)
WORDS = st.sampled_from(["password", "api_key", "SMTP_TOKEN", "authToken", "client-secret", "dsn"])
HARMLESS = st.sampled_from(["host", "monkey", "keyboard", "level", "compass", "tokenizer"])
PLAIN = st.none() | st.booleans() | st.integers() | st.text("abc", max_size=5)


def wrapped(value: Any, path: list[str]) -> Any:
    """`value` in as many mappings and lists as `path` has names; an empty name is a list."""
    for name in path:
        value = {name: value, "level": 3} if name else [None, value]
    return value


WRAPPERS = st.lists(HARMLESS | st.just(""), max_size=4)
TREES = st.builds(
    lambda secret, inner, word, outer: wrapped({word: wrapped(secret, inner)}, outer),
    SECRETS, WRAPPERS, WORDS, WRAPPERS,
)  # fmt: skip


@quick
@given(tree=TREES)
def test_no_secret_is_left_under_a_telling_key(tree: Any) -> None:
    assert MARK not in repr(redact(tree))


@quick
@given(tree=st.builds(wrapped, PLAIN, WRAPPERS))
def test_what_is_no_secret_stays(tree: Any) -> None:
    assert redact(tree) == tree
    assert secrets_of(tree) == set()


@quick
@given(tree=TREES, before=st.text(max_size=5), after=st.text(max_size=5))
def test_what_was_found_is_hidden_in_any_text(tree: Any, before: str, after: str) -> None:
    hide = Redactor(secrets_of(tree))
    for secret in secrets_of(tree):
        for form in (secret, repr(secret), repr({"x": [secret]}), quote(secret)):
            assert MARK not in hide(f"{before}{form}{after}")


URL_TEXT = st.text(st.characters(exclude_categories=["Cs", "Zs", "Cc"]), min_size=1, max_size=8)


@quick
@given(user=URL_TEXT, password=URL_TEXT)
def test_user_info_in_urls(user: str, password: str) -> None:
    url = f"postgresql://{quote(user, safe='')}:{MARK}{quote(password, safe='')}@db.example:5/x"
    assert redact(url) == f"postgresql://{HIDDEN}@db.example:5/x"
    assert MARK not in Redactor()(f"cannot reach {url}: refused")
    assert MARK not in Redactor(secrets_of({"url": url}))(f"user {user}, {MARK}{password}")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://x.example/?token=abc&page=2", "https://x.example/?token=***&page=2"),
        ("https://x.example/a@b", "https://x.example/a@b"),
        ("https://u:p@s@x.example/", "https://***@x.example/"),
        ("a@b.example", "a@b.example"),
        ("2 = 1 + 1; key=", "2 = 1 + 1; key="),
    ],
)
def test_urls(text: str, shown: str) -> None:
    assert redact(text) == Redactor()(text) == shown


def test_names() -> None:
    telling = ("password", "Password", "MY_API_KEY", "apiKey", "bot-token", "keys", "AWSSecretKey")
    assert all(map(is_secret, telling))
    others = ("monkey", "keyboard", "tokenizer", "passenger", "secretary", "author", "", 3, None)
    assert not any(map(is_secret, others))


def test_short_secrets_do_not_hide_everything() -> None:
    assert Redactor({"a" * (SHORTEST - 1)})("a" * 9) == "a" * 9
    assert Redactor({"a" * SHORTEST})("a" * SHORTEST) == HIDDEN


def test_the_longest_secret_goes_first() -> None:
    assert Redactor({"abcd", "abcdefgh"})("xabcdefghx") == f"x{HIDDEN}x"


def test_long_lines_are_quick() -> None:
    hide = Redactor({MARK})
    for text in ("a" * 10**6, "://" * 300_000, "?a=" * 300_000, "a:@" * 300_000):
        hide(text)


def test_logs_hide_secrets_wherever_they_stand(tmp_path: Path) -> None:
    logs = Logs(Logging(), tmp_path, console=False, secrets={f"{MARK}\nsecond"})
    try:
        log = logger("test")
        log.info("called", api_key="anything", url="http://a:b@c/", text=f"x {MARK}\nsecond")
        logging.getLogger("library").warning("dict %s", {"x": f"{MARK}\nsecond"})
        try:
            raise ValueError(f"{MARK}\nsecond")
        except ValueError:
            log.error("failed", exc_info=True)
    finally:
        logs.close()
    text = (tmp_path / "btc_ai.log").read_text()
    assert "anything" not in text and "a:b" not in text
    assert MARK not in text and text.count(HIDDEN) >= 5
