"""Webhooks and mails against real servers, which answer, fail, hang, and speak TLS."""

import asyncio
import email
import json
from email import policy
from pathlib import Path
from typing import Any

import pytest
from btc_ai_notify.channel import Channel, DeliveryError
from btc_ai_notify.mail import Mail
from btc_ai_notify.news import News
from btc_ai_notify.settings import MailSettings, WebhookSettings
from btc_ai_notify.webhook import Webhook
from servers import certificate, free_port, http_server, mute_server, smtp_server

NEWS = News("run_done", "run abc is done", "Kurs\n12 % größer", 1700000000.0, {"run": "abc"})
TIMEOUT_S = 30.0
SHORT_S = 0.3


def webhook(port: int, timeout_s: float = TIMEOUT_S, scheme: str = "http", **more: Any) -> Webhook:
    url = f"{scheme}://127.0.0.1:{port}/hush"
    settings = {"name": "hook", "secret_url": url, **more}
    return Webhook(WebhookSettings.model_validate(settings), timeout_s)


def mail(port: int, timeout_s: float = TIMEOUT_S, **more: Any) -> Mail:
    settings = {
        "name": "mail", "host": "127.0.0.1", "port": port, "security": "none",
        "sender": "btc@example.org", "recipients": ["ada@example.org", "bob@example.org"], **more,
    }  # fmt: skip
    return Mail(MailSettings.model_validate(settings), timeout_s)


def send(channel: Channel) -> None:
    asyncio.run(channel.send(NEWS))


def fails(channel: Channel) -> tuple[str, bool]:
    with pytest.raises(DeliveryError) as caught:
        send(channel)
    assert "hush" not in str(caught.value)
    return str(caught.value), caught.value.permanent


def test_the_formats_of_a_webhook() -> None:
    with http_server() as server:
        for form in ("json", "slack", "discord", "text"):
            send(webhook(server.port, format=form, secret_headers={"Authorization": "Bearer x"}))
    plain, slack, discord, text = server.posts
    assert {post.headers["Authorization"] for post in server.posts} == {"Bearer x"}
    assert {post.path for post in server.posts} == {"/hush"}
    assert json.loads(plain.body) == {
        "event": "run_done", "title": "BTC-AI: run abc is done", "text": NEWS.text,
        "time": "2023-11-14T22:13:20+00:00", "data": {"run": "abc"},
    }  # fmt: skip
    said = f"BTC-AI: run abc is done\n{NEWS.text}"
    assert json.loads(slack.body) == {"text": said}
    assert json.loads(discord.body) == {"content": said, "allowed_mentions": {"parse": []}}
    assert text.body.decode() == NEWS.text
    assert text.headers["Title"] == "BTC-AI: run abc is done"
    assert text.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("status", "permanent"), [(500, False), (503, False), (429, False), (404, True), (302, True)]
)
def test_answers_that_are_no_success(status: int, permanent: bool) -> None:
    with http_server() as server:
        server.answers = [status]
        server.headers = {"Location": f"http://127.0.0.1:{server.port}/elsewhere"}
        assert fails(webhook(server.port)) == (f"HTTP {status}", permanent)
        assert len(server.posts) == 1  # no redirection is followed


def test_how_long_to_wait_is_heard() -> None:
    with http_server() as server:
        server.answers, server.headers = [429], {"Retry-After": "7"}
        with pytest.raises(DeliveryError) as caught:
            send(webhook(server.port))
    assert caught.value.retry_after_s == 7


def test_a_server_that_refuses_or_hangs() -> None:
    assert fails(webhook(free_port())) == ("Connection refused", False)
    assert fails(mail(free_port())) == ("Connection refused", False)
    with http_server() as server:
        server.answers = [None]
        assert fails(webhook(server.port, SHORT_S)) == ("no answer within 0.3 s", False)
    with mute_server() as port:
        assert fails(webhook(port, SHORT_S)) == ("no answer within 0.3 s", False)
        hung_up = "the server hung up, or was silent for 0.3 s"
        assert fails(mail(port, SHORT_S)) == (hung_up, False)


def test_tls_of_a_webhook(tmp_path: Path) -> None:
    ours = certificate(tmp_path)
    with http_server(ours.context) as server:
        send(webhook(server.port, scheme="https", ca_file=str(ours.ca_file)))
        reason = fails(webhook(server.port, scheme="https"))
        assert reason == ("its certificate is not trusted", False)
        assert len(server.posts) == 1
    with http_server() as server:
        assert fails(webhook(server.port, scheme="https", ca_file=str(ours.ca_file)))[1] is False


def test_a_mail() -> None:
    with smtp_server() as server:
        send(mail(server.port))
    [(sender, recipients, content)] = server.mails
    message = email.message_from_bytes(content, policy=policy.default)
    assert (sender, recipients) == ("btc@example.org", ["ada@example.org", "bob@example.org"])
    assert message["Subject"] == "BTC-AI: run abc is done"
    assert message["X-BTC-AI-Event"] == "run_done"
    assert message["Date"] == "Tue, 14 Nov 2023 22:13:20 -0000"
    assert message.get_content().replace("\r\n", "\n") == f"run abc is done\n\n{NEWS.text}\n"


@pytest.mark.parametrize("security", ["starttls", "ssl"])
def test_a_mail_over_tls_with_a_login(tmp_path: Path, security: str) -> None:
    ours = certificate(tmp_path)
    with smtp_server(ours.context, starttls=security == "starttls", password=b"hush") as server:
        kept: dict[str, Any] = {"security": security, "user": "btc", "password": "hush"}
        send(mail(server.port, ca_file=str(ours.ca_file), **kept))
        assert server.logins == [b"btc"] and len(server.mails) == 1
        wrong = kept | {"password": "hush hush"}
        assert fails(mail(server.port, ca_file=str(ours.ca_file), **wrong)) == (
            "SMTP 535 (SMTPAuthenticationError)", True,
        )  # fmt: skip
        tried = len(server.logins)
        assert fails(mail(server.port, **kept)) == ("its certificate is not trusted", False)
        assert len(server.logins) == tried and len(server.mails) == 1


def test_a_server_without_starttls_gets_nothing() -> None:
    with smtp_server() as server:
        assert fails(mail(server.port, security="starttls")) == (
            "the server has no STARTTLS or login", True,
        )  # fmt: skip
    assert server.mails == []


def test_recipients_that_are_refused() -> None:
    with smtp_server() as server:
        server.refuse = ("ada@example.org",)
        assert fails(mail(server.port)) == ("1 of 2 recipients were refused", True)
        assert [recipients for _, recipients, _ in server.mails] == [["bob@example.org"]]
        server.refuse = ("ada@example.org", "bob@example.org")
        assert fails(mail(server.port)) == ("SMTP 550: no recipient", True)
        server.refusal = "451 later"
        assert fails(mail(server.port)) == ("SMTP 451: no recipient", False)
