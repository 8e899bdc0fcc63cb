"""Serves /metrics on the loopback, to whoever asks for it by a loopback name."""

from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import CollectorRegistry, make_wsgi_app, start_http_server

from btc_ai.api.errors import PluginError

ADDRESS = "127.0.0.1"


class Endpoint:
    """A web server in a thread of its own."""

    def __init__(self, registry: CollectorRegistry, port: int) -> None:
        """Begin to serve; port 0: any. Raises PluginError where the port cannot be had."""
        try:
            self._server, self._thread = start_http_server(port, ADDRESS, registry)
        except OSError as error:
            raise PluginError(
                f"cannot listen on {ADDRESS}:{port} for MONITORING.METRICS_PORT: {error.strerror}"
            ) from None
        self.port = int(self._server.server_port)
        self._server.set_app(_guarded(make_wsgi_app(registry), self.port))

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _guarded(app: Callable[..., Any], port: int) -> Callable[..., Iterable[bytes]]:
    """Refuse another path, and a foreign name: a web page could have its own resolve to us."""
    hosts = {f"{name}:{port}" for name in (ADDRESS, "localhost")}

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("HTTP_HOST") not in hosts:
            start("403 Forbidden", [("Content-Type", "text/plain")])
            return [b"this is served to localhost alone\n"]
        if environ["PATH_INFO"] != "/metrics" or environ["REQUEST_METHOD"] != "GET":
            start("404 Not Found", [("Content-Type", "text/plain")])
            return [b"GET /metrics\n"]
        found: Iterable[bytes] = app(environ, start)
        return found

    return answer
