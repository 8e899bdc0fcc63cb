"""A real HTTP server and a real SMTP server on this machine, which fail as they are told."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword


@dataclass
class Certificate:
    """A certificate for 127.0.0.1, and the file of the authority that signed it."""

    ca_file: Path
    context: ssl.SSLContext


def certificate(folder: Path) -> Certificate:
    authority = trustme.CA()
    ca_file = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return Certificate(ca_file, context)


@dataclass
class Post:
    """What a client sent."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class HttpServer:
    """Answers with `answers`, one a request, then 200; None: it never answers."""

    port: int = 0
    posts: list[Post] = field(default_factory=list)
    answers: list[int | None] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    end: threading.Event = field(default_factory=threading.Event)


@contextmanager
def http_server(context: ssl.SSLContext | None = None) -> Iterator[HttpServer]:
    made = HttpServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.posts.append(Post(self.path, dict(self.headers), body))
            status = made.answers.pop(0) if made.answers else 200
            if status is None:
                made.end.wait()
                return
            self.send_response(status)
            for name, value in made.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Keep quiet."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *arguments: object) -> None:
            """A client that does not trust the certificate hangs up."""

    server = Server(("127.0.0.1", 0), Handler)
    made.port = server.server_port
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield made
    finally:
        made.end.set()
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class SmtpServer:
    """Keeps the mails it takes: sender, recipients, content."""

    port: int = 0
    mails: list[tuple[str, list[str], bytes]] = field(default_factory=list)
    logins: list[bytes] = field(default_factory=list)
    refuse: tuple[str, ...] = ()
    refusal: str = "550 no such mailbox"


@contextmanager
def smtp_server(
    context: ssl.SSLContext | None = None, *, starttls: bool = False, password: bytes | None = None
) -> Iterator[SmtpServer]:
    made = SmtpServer(port=free_port())

    class Handler:
        async def handle_RCPT(
            self, server: Any, session: Any, envelope: Any, address: str, options: Any
        ) -> str:
            if address in made.refuse:
                return made.refusal
            envelope.rcpt_tos.append(address)
            return "250 OK"

        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            made.mails.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.content))
            return "250 taken"

    def authenticator(
        server: Any, session: Any, envelope: Any, mechanism: str, data: object
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        made.logins.append(data.login)
        return AuthResult(success=data.password == password, handled=False)

    options: dict[str, Any] = {}
    if password is not None:
        options |= {"authenticator": authenticator, "auth_required": True}
        options |= {"auth_require_tls": starttls}
    if starttls:
        options |= {"tls_context": context, "require_starttls": True}
    controller = Controller(
        Handler(), hostname="127.0.0.1", port=made.port,
        ssl_context=None if starttls else context, **options,
    )  # fmt: skip
    controller.start()
    try:
        yield made
    finally:
        controller.stop()


@contextmanager
def mute_server() -> Iterator[int]:
    """The port of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def free_port() -> int:
    """A port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
