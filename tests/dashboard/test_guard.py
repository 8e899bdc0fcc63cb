"""Every address × every way to come from elsewhere, from the table of addresses itself."""

import json
import os
import pwd
import socket
from pathlib import Path

import httpx
import pytest
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from btc_ai.dashboard.access import COOKIE, Access, may_open
from btc_ai.dashboard.peers import uid_of
from btc_ai.dashboard.security import CSRF_HEADER, HEADERS, LOGIN
from tests.dashboard.conftest import Served, make_dashboard, opened

ELSEWHERE = {
    "foreign host": {"Host": "evil.example"},
    "rebound host": {"Host": "evil.example:8765"},
    "foreign origin": {"Origin": "http://evil.example"},
    "null origin": {"Origin": "null"},
    "own name, other port": {"Origin": "http://127.0.0.1:1"},
}


def requests(client: TestClient) -> list[tuple[str, str]]:
    """Every method of every address; WebSockets as WS."""
    found = []
    for route in client.app.routes:  # type: ignore[attr-defined]
        path = getattr(route, "path", "")
        for name in getattr(route, "param_convertors", {}):
            path = path.replace(f"{{{name}}}", "x").replace(f"{{{name}:path}}", "x")
        if isinstance(route, WebSocketRoute):
            found.append(("WS", path))
        else:
            assert isinstance(route, Route) and route.methods, f"{route} is not guarded by this"
            found += [(method, path) for method in sorted(route.methods)]
    return found


def status(client: TestClient, method: str, path: str, headers: dict[str, str]) -> int:
    """What a request is answered with; 101 for a WebSocket that is let in."""
    if method != "WS":
        answer = client.request(method, path, headers=headers, follow_redirects=False)
        return int(answer.status_code)
    host = {"Host": client.base_url.netloc.decode()}
    try:
        with client.websocket_connect(path, headers={**host, **headers}) as page:
            assert json.loads(page.receive_text())["type"] == "hello"
    except WebSocketDisconnect as end:
        return 403 if end.code == 1008 else end.code
    return 101


def test_there_is_every_kind_of_address(client: TestClient) -> None:
    found = requests(client)
    assert {method for method, _ in found} == {"GET", "HEAD", "POST", "WS"}
    assert len(found) > 30 and ("POST", "/api/settings") in found


@pytest.mark.parametrize("headers", ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_nothing_is_answered_to_other_names_and_pages(
    client: TestClient, headers: dict[str, str]
) -> None:
    for method, path in requests(client):
        assert status(client, method, path, headers) == 403, (method, path)


def test_another_site_gets_no_data(client: TestClient) -> None:
    for method, path in requests(client):
        if path.startswith(("/api/", "/ws")):
            assert status(client, method, path, {"Sec-Fetch-Site": "same-site"}) == 403, path
    assert client.get("/training", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


def test_nobody_unknown_gets_anything(client: TestClient) -> None:
    client.cookies.clear()
    for method, path in requests(client):
        refused = (400, 401, 403) if path == LOGIN else (403,) if method == "WS" else (401,)
        assert status(client, method, path, {}) in refused, (method, path)
    client.cookies.set(COOKIE, "wrong")
    for method, path in requests(client):
        if path != LOGIN:
            assert status(client, method, path, {}) in (401, 403), (method, path)


def test_nothing_is_changed_without_the_header(client: TestClient) -> None:
    unsafe = [one for one in requests(client) if one[0] not in ("GET", "HEAD", "WS")]
    for token in ("", "wrong"):
        for method, path in unsafe:
            assert status(client, method, path, {CSRF_HEADER: token}) == 403, (method, path)


def test_who_may_is_let_in_everywhere(client: TestClient) -> None:
    origin = {"Origin": str(client.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    for method, path in requests(client):
        if path != LOGIN:
            assert status(client, method, path, origin) not in (401, 403, 500), (method, path)
    assert status(client, "WS", "/ws", origin) == 101


def test_every_answer_has_the_headers(client: TestClient) -> None:
    for method, path in requests(client):
        if method != "WS":
            answer = client.request(method, path, follow_redirects=False)
            assert {name: answer.headers[name] for name in HEADERS} == HEADERS, path
    refused = client.get("/", headers={"Host": "evil.example"})
    assert refused.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]


def test_the_token_signs_in_by_a_cookie_that_no_script_sees(root: Path) -> None:
    dashboard = make_dashboard(root)
    with opened(dashboard) as client:
        client.cookies.clear()
        file = dashboard.parts.access.token_file
        assert file.stat().st_mode & 0o777 == 0o600
        assert str(file) in client.get("/api/hello").json()["error"]["message"]
        assert client.get("/login?token=wrong", follow_redirects=False).status_code == 401
        token = file.read_text().strip()
        answer = client.get(f"/login?token={token}", follow_redirects=False)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/")
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie and token in cookie
        assert client.get("/api/hello").status_code == 200
        file.chmod(0o644)
        assert "chmod 600" in client.get("/api/hello").json()["error"]["message"]


def test_names_of_hosts_are_known_and_need_the_token(root: Path) -> None:
    dashboard = make_dashboard(root, HOSTS=["trainer.example"])
    with opened(dashboard) as client:
        outside = {"Host": "trainer.example", "Origin": "https://trainer.example"}
        assert client.get("/api/hello", headers=outside).status_code == 200
        client.cookies.clear()
        assert client.get("/api/hello", headers=outside).status_code == 401


def test_the_daemons_user_needs_no_token_on_this_machine(served: Served) -> None:
    with httpx.Client(base_url=served.url) as plain:
        assert plain.get("/api/hello").status_code == 200
        proxied = plain.get("/api/hello", headers={"X-Forwarded-For": "10.0.0.7"})
        assert proxied.status_code == 401
        assert "dashboard.token" in proxied.json()["error"]["message"]


def test_another_user_does(root: Path) -> None:
    dashboard = make_dashboard(root)
    token = dashboard.parts.access._token
    object.__setattr__(dashboard.parts, "access", Access(token, lambda uid: uid == 123456))
    name = next(one for one in dashboard.parts.hosts if one.startswith("127"))
    with Served(dashboard, f"http://{name}"):
        assert httpx.get(f"http://{name}/api/hello").status_code == 401
        signed = httpx.get(f"http://{name}/api/hello", cookies={COOKIE: token.read()})
        assert signed.status_code == 200


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_the_kernel_tells_the_user_of_a_connection_that_is_open(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as door:
        try:
            door.bind((address, 0))
        except OSError:
            pytest.skip(f"no {address} here")
        door.listen()
        with socket.create_connection(door.getsockname()[:2]) as client:
            near, far = client.getsockname()[:2], door.getsockname()[:2]
            accepted, _ = door.accept()
            assert uid_of(near, far) == client_uid()
            client.close()
            assert uid_of(near, far) is None  # the kernel would call it root's
            accepted.close()
    assert uid_of(("testclient", 1), ("", 0)) is None
    assert uid_of(("10.1.2.3", 1), ("10.1.2.4", 2)) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another's group")
def test_the_group_of_the_runtime_folder_counts_where_it_is_open_to_it(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    os.chown(tmp_path, -1, nobody.pw_gid)
    tmp_path.chmod(0o750)
    assert may_open(tmp_path, nobody.pw_uid) and may_open(tmp_path, 0)
    tmp_path.chmod(0o700)
    assert not may_open(tmp_path, nobody.pw_uid)
    assert not may_open(tmp_path, 4_000_000) and not may_open(tmp_path / "gone", nobody.pw_uid)


def client_uid() -> int:
    """Who runs the tests."""
    return Path("/proc/self").stat().st_uid
