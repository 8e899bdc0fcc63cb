"""E-mail through an SMTP server."""

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from btc_ai.api.threads import in_thread
from btc_ai_notify.channel import DeliveryError, reason_of
from btc_ai_notify.news import News
from btc_ai_notify.settings import MailSettings, Topic
from btc_ai_notify.webhook import title_of


class Mail:
    """Sends each message as a mail."""

    def __init__(self, settings: MailSettings, timeout_s: float) -> None:
        """Nothing is opened yet. timeout_s: for each answer of the server."""
        self._settings, self._timeout_s = settings, timeout_s
        self.name = settings.name
        self.topics: frozenset[Topic] = frozenset(settings.events)

    async def send(self, news: News) -> None:
        """Send once."""
        message = self._message(news)
        try:
            await in_thread(lambda: self._send(message))
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            permanent = all(code >= 500 for code in codes)
            raise DeliveryError(f"SMTP {codes[0]}: no recipient", permanent=permanent) from None
        except smtplib.SMTPResponseException as error:
            permanent = error.smtp_code >= 500
            raise DeliveryError(
                f"SMTP {error.smtp_code} ({type(error).__name__})", permanent=permanent
            ) from None
        except smtplib.SMTPNotSupportedError:
            raise DeliveryError("the server has no STARTTLS or login", permanent=True) from None
        except smtplib.SMTPServerDisconnected:
            reason = f"the server hung up, or was silent for {self._timeout_s:g} s"
            raise DeliveryError(reason) from None
        except ssl.SSLCertVerificationError:
            raise DeliveryError("its certificate is not trusted") from None
        except TimeoutError:
            raise DeliveryError(f"no answer within {self._timeout_s:g} s") from None
        except OSError as error:
            raise DeliveryError(reason_of(error)) from None

    def _message(self, news: News) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = title_of(news)
        message["From"] = self._settings.sender
        message["To"] = ", ".join(self._settings.recipients)
        message["Date"] = formatdate(news.time, localtime=False)
        message["Message-ID"] = make_msgid(domain=self._settings.sender.rpartition("@")[2])
        message["X-BTC-AI-Event"] = news.topic
        message.set_content(f"{news.title}\n\n{news.text}\n")
        return message

    def _send(self, message: EmailMessage) -> None:
        settings = self._settings
        with self._connected() as server:
            if settings.user is not None and settings.password is not None:
                server.login(settings.user, settings.password.get_secret_value())
            refused = server.send_message(message)
        if refused:  # the others have it; sent again they would have it twice
            raise DeliveryError(
                f"{len(refused)} of {len(settings.recipients)} recipients were refused",
                permanent=True,
            )

    def _connected(self) -> smtplib.SMTP:
        settings = self._settings
        host, port, timeout = settings.host, settings.port_in_use, self._timeout_s
        trusted = ssl.create_default_context(cafile=settings.ca_file)
        if settings.security == "ssl":
            return smtplib.SMTP_SSL(host, port, timeout=timeout, context=trusted)
        server = smtplib.SMTP(host, port, timeout=timeout)
        try:
            if settings.security == "starttls":
                server.starttls(context=trusted)
        except BaseException:
            server.close()
            raise
        return server
