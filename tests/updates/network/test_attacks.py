"""Every attack on the way or by the server is refused with its own words, and leaves nothing."""

import json
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata, Targets

from btc_ai.errors import UpdateError
from btc_ai.releases import publish as publishing
from btc_ai.releases import roots, sign
from btc_ai.releases.publish import publish, refresh
from btc_ai.releases.roots import rotate
from btc_ai.updates import fetcher
from tests.updates.network.publishing import Handler, Publisher, Served, new_publisher

BIG = "targets/wheels/*/*.big-1.0-py3-none-any.whl"
OWN = "targets/wheels/*/*.btc_ai-1.0-py3-none-any.whl"


def _refused(served: Served, words: str) -> str:
    with pytest.raises(UpdateError, match=words) as caught:
        served.ask(fetch=True)
    assert not [one for one in served.kept() if "big" in one or one == "0.3.0.json"]
    assert not [one for one in served.kept() if one.startswith(".")]
    return str(caught.value)


def _flip(content: bytes) -> bytes:
    return content[:100] + bytes([content[100] ^ 1]) + content[101:]


@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        (_flip, "is not what its publisher signed"),
        (lambda content: content[:-1], "is not what its publisher signed"),
        (lambda content: content + b"x", "is longer than its publisher signed"),
    ],
)
def test_a_wheel_that_was_tampered_with(
    served: Served, tamper: Callable[[bytes], bytes], words: str
) -> None:
    path = served.publisher.file(BIG)
    path.write_bytes(tamper(path.read_bytes()))
    assert "big-1.0-py3-none-any.whl" in _refused(served, words)


def test_metadata_that_is_too_long(served: Served) -> None:
    path = served.publisher.file("metadata/timestamp.json")
    path.write_bytes(path.read_bytes() + b" " * 20_000)
    _refused(served, "timestamp.json from .* is longer than")


def test_metadata_that_is_no_json(served: Served) -> None:
    served.publisher.file("metadata/timestamp.json").write_text("<html>hello</html>")
    _refused(served, "timestamp.json from .* cannot be read; is that an update server")


def test_metadata_that_was_edited(served: Served) -> None:
    path = served.publisher.file("metadata/2.targets.json")
    body = json.loads(path.read_text())
    body["signed"]["targets"].clear()
    path.write_text(json.dumps(body))
    _refused(served, "2.targets.json from .* is not signed by those whom this installation trusts")


def test_a_server_with_keys_of_its_own(served: Served, tmp_path: Path) -> None:
    other = new_publisher(tmp_path / "other")
    other.release("0.4.0", {"btc_ai": b"evil"})
    site = served.publisher.folder / "site"
    shutil.rmtree(site)
    shutil.copytree(other.folder / "site", site)
    _refused(served, "timestamp.json from .* is not signed by those")


def test_a_root_that_one_key_of_two_has_signed(served: Served) -> None:
    rotate(served.publisher.keys, "timestamp", None)
    root = Metadata.from_file(str(served.publisher.folder / "keys" / "2.root.json"))
    kept = next(iter(root.signatures))
    root.signatures = {kept: root.signatures[kept]}
    root.to_file(str(served.publisher.folder / "site" / "metadata" / "2.root.json"))
    _refused(served, "2.root.json from .* is not signed by those")


@pytest.mark.parametrize("what", ["TIMESTAMP_DAYS", "SNAPSHOT_DAYS", "TARGETS_DAYS", "ROOT_DAYS"])
def test_a_server_that_is_stale_is_not_up_to_date(
    served: Served, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    publisher = served.publisher
    with monkeypatch.context() as past:
        owner = {"TARGETS_DAYS": sign, "ROOT_DAYS": roots}.get(what, publishing)
        past.setattr(owner, what, -3)
        if what == "TARGETS_DAYS":
            sign.renew(publisher.site, publisher.keys)
        if what == "ROOT_DAYS":
            rotate(publisher.keys, "root", None)
        publish(publisher.site, publisher.keys)
    since = datetime.now(UTC) - timedelta(days=3)
    said = _refused(served, f"is stale since {since:%Y-%m-%d}")
    assert "up to date" not in said and "clock" not in said


def test_a_clock_that_is_wrong_is_thought_of(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "TIMESTAMP_DAYS", -3)
    publish(served.publisher.site, served.publisher.keys)
    then = datetime.now(UTC) - timedelta(days=5)
    served.server.date = format_datetime(then, usegmt=True)
    _refused(served, f"Or this machine's clock is wrong: .* the server's {then:%Y-%m-%d}")


def test_a_server_that_was_rolled_back(served: Served, tmp_path: Path) -> None:
    site = served.publisher.folder / "site"
    shutil.copytree(site, tmp_path / "before")
    refresh(served.publisher.site, served.publisher.keys)
    served.ask()
    shutil.rmtree(site)
    shutil.copytree(tmp_path / "before", site)
    _refused(served, "offers an older state than this machine has seen before")


def test_states_that_are_mixed(served: Served) -> None:
    metadata = served.publisher.folder / "site" / "metadata"
    shutil.copy(metadata / "1.snapshot.json", metadata / "2.snapshot.json")
    _refused(served, "offers an older state")


def test_a_redirect_to_elsewhere(served: Served, publisher: Publisher) -> None:
    def act(handler: Handler) -> bool:
        if "big" not in handler.path:
            return False
        handler.send_response(302)
        handler.send_header("Location", "http://127.0.0.2/big")
        handler.end_headers()
        return True

    served.server.act = act
    _refused(served, r"sends us to another server \(http://127.0.0.2/big\), which is not followed")


def test_a_redirect_within_the_server_is_followed(served: Served) -> None:
    def act(handler: Handler) -> bool:
        if handler.path.startswith("/new/"):
            handler.path = handler.path.removeprefix("/new")
            return False
        handler.send_response(301)
        handler.send_header("Location", f"/new{handler.path}")
        handler.end_headers()
        return True

    served.server.act = act
    assert served.ask(fetch=True).staged


def test_data_that_does_not_end(served: Served) -> None:
    def act(handler: Handler) -> bool:
        if "big" not in handler.path:
            return False
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b"x" * 100_000)

    served.server.act = act
    _refused(served, "is longer than its publisher signed; it was broken off")


def test_a_connection_that_breaks_off(served: Served) -> None:
    def act(handler: Handler) -> bool:
        if "big" not in handler.path:
            return False
        handler.send_response(200)
        handler.send_header("Content-Length", "300000")
        handler.end_headers()
        handler.wfile.write(b"x" * 1000)
        return True

    served.server.act = act
    _refused(served, "broke off in .*big-1.0-py3-none-any.whl; try again: what is whole is kept")


@pytest.mark.parametrize("where", ["timestamp.json", "big"])
def test_a_server_that_hangs(served: Served, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def act(handler: Handler) -> bool:
        if where not in handler.path:
            return False
        if where == "big":
            handler.send_response(200)
            handler.end_headers()
            handler.wfile.write(b"x")
            handler.wfile.flush()
        time.sleep(1)
        return True

    monkeypatch.setattr(fetcher, "SILENCE_S", 0.2)
    served.server.act = act
    began = time.monotonic()
    _refused(served, f"fell silent in .*{where}")
    assert time.monotonic() - began < 5


def test_a_server_that_is_down_elsewhere_or_out_of_order(served: Served) -> None:
    address = served.settings["UPDATE_SERVER"]
    served.settings["UPDATE_SERVER"] = f"{address}/elsewhere"
    _refused(served, "elsewhere answers 404 for timestamp.json")
    served.settings["UPDATE_SERVER"] = "https://user:hunter2@no-such-host.invalid"
    assert "hunter2" not in _refused(served, "there is no such host as that of")
    served.settings["UPDATE_SERVER"] = "http://127.0.0.1:1"
    _refused(served, r"cannot be reached \(Connection refused\)")
    served.settings["UPDATE_SERVER"] = address.replace("http:", "https:")
    _refused(served, "cannot prove by TLS that it is that server")
    served.settings["UPDATE_SERVER"] = address

    def act(handler: Handler) -> bool:
        handler.send_error(503)
        return True

    served.server.act = act
    _refused(served, "answers 503")


@pytest.mark.parametrize(
    "filename", ["../../../evil-1.0-py3-none-any.whl", "/tmp/evil-1-py3-none-any.whl", "evil.whl"]
)
def test_a_signed_release_with_a_path_for_a_name(served: Served, filename: str) -> None:
    release = served.publisher.release("0.4.0", {"btc_ai": b"four"})
    text = release.encode().replace(release.wheels[0].filename.encode(), filename.encode())
    _resign(served.publisher, "releases/0.4.0.json", text)
    _refused(served, "describes a release that cannot be read")


def test_a_signed_index_with_a_path_for_a_version(served: Served) -> None:
    entry = {"version": "../../0.9", "released": "2026-11-01", "min_from": "0", "yanked": False}
    _resign(served.publisher, "index.json", json.dumps([entry]).encode())
    _refused(served, "list of releases cannot be read")


def _resign(publisher: Publisher, path: str, content: bytes) -> None:
    """Put another content under a target's name, signed by the publisher's own keys."""
    version = publisher.site.newest(Targets.type)
    targets = publisher.site.targets(version)
    signing = sign._Signing(publisher.site, targets.signed, [])
    signing.add_bytes(path, content)
    targets.signed.version += 1
    targets.signatures.clear()
    publisher.keys.sign(targets, "targets", publisher.keys.roots())
    publisher.site.add(targets)
    publish(publisher.site, publisher.keys)
