"""Keys, signing and publishing: what a client finds afterwards, and at any moment meanwhile."""

import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from tuf.api.metadata import Metadata, Root

from btc_ai.durable import replace_durably
from btc_ai.errors import BtcAiError, UpdateError
from btc_ai.lock import Lock
from btc_ai.releases import keys as key_files
from btc_ai.releases import publish as publishing
from btc_ai.releases import site as sites
from btc_ai.releases.keys import Keys
from btc_ai.releases.publish import publish, refresh
from btc_ai.releases.roots import make_root, rotate
from btc_ai.releases.sign import add_release, renew, yank
from btc_ai.updates.layout import Layout
from tests.updates.network.publishing import Publisher, Served, new_publisher, serving


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    made = new_publisher(tmp_path / "publisher")
    made.release("0.2.0", {"btc_ai": b"two"})
    return made


def _machine(publisher: Publisher, folder: Path) -> AbstractContextManager[Served]:
    return serving(publisher, Layout(folder))


def test_keys_are_private_and_never_overwritten(tmp_path: Path) -> None:
    keys = new_publisher(tmp_path).keys
    files = sorted(keys.folder.glob("*/*.pem"))
    assert [one.name.partition("-")[0] for one in files] == [
        "root", "root", "root", "targets", "snapshot", "timestamp",
    ]  # fmt: skip
    assert {one.stat().st_mode & 0o777 for one in files} == {0o600}
    before = {one: one.read_bytes() for one in files}
    with pytest.raises(UpdateError, match="is not empty, and keys are never overwritten"):
        make_root(keys, None)
    assert {one: one.read_bytes() for one in keys.folder.glob("*/*.pem")} == before
    with pytest.raises(UpdateError, match="is there already, and is not overwritten"):
        key_files.write_new(files[0], b"")
    root = Metadata[Root].from_bytes((keys.folder / "root.json").read_bytes()).signed
    assert root.roles["root"].threshold == 2 and len(root.roles["root"].keyids) == 3


def test_offline_keys_behind_a_passphrase(tmp_path: Path) -> None:
    asked: list[str] = []

    def passphrase(name: str) -> str:
        asked.append(name)
        return "right" if len(asked) < 10 else "wrong"

    keys = Keys(tmp_path / "keys", passphrase)
    make_root(keys, "right")
    assert len(asked) == 3 and all(one.startswith("root-") for one in asked)
    assert all(b"ENCRYPTED" in one.read_bytes() for one in keys.folder.glob("offline/*"))
    assert not any(b"ENCRYPTED" in one.read_bytes() for one in keys.folder.glob("online/*"))
    asked += [""] * 10
    before = sorted(keys.folder.rglob("*"))
    with pytest.raises(UpdateError, match="is the passphrase right"):
        rotate(keys, "timestamp", None)
    assert sorted(keys.folder.rglob("*")) == before


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp"])
def test_a_key_is_replaced_and_clients_follow(
    publisher: Publisher, tmp_path: Path, role: str
) -> None:
    with _machine(publisher, tmp_path / "machine") as served:
        assert served.ask().version == "0.2.0"
        old = set((publisher.folder / "keys").glob(f"*/{role}-*.pem"))
        assert rotate(publisher.keys, role, None).signed.version == 2
        for one in old:
            one.unlink()
        if role == "targets":
            with pytest.raises(UpdateError, match="is not signed by the key for releases; sign it"):
                publish(publisher.site, publisher.keys)
            renew(publisher.site, publisher.keys)
        publisher.release("0.3.0", {"btc_ai": b"three"})
        assert served.ask().version == "0.3.0"
    with _machine(publisher, tmp_path / "another") as served:
        assert served.ask().version == "0.3.0"


def test_a_root_needs_two_of_its_keys(publisher: Publisher) -> None:
    first, second, _ = sorted((publisher.folder / "keys").glob("offline/root-*"))
    first.unlink()
    rotate(publisher.keys, "snapshot", None)
    second.unlink()
    before = sorted((publisher.folder / "keys").rglob("*"))
    with pytest.raises(UpdateError, match="2 of them have to sign; nothing was changed"):
        rotate(publisher.keys, "snapshot", None)
    assert sorted((publisher.folder / "keys").rglob("*")) == before


def test_a_release_is_offered_once_it_is_published_until_it_is_yanked(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _machine(publisher, tmp_path / "machine") as served:
        monkeypatch.setattr("tests.updates.network.publishing.publish", lambda *_: None)
        publisher.release("0.3.0", {"btc_ai": b"three"}, min_from="0.1.0")
        rotate(publisher.keys, "targets", None)
        refresh(publisher.site, publisher.keys)
        assert served.ask().version == "0.2.0"
        renew(publisher.site, publisher.keys)
        publish(publisher.site, publisher.keys)
        offer = served.ask(fetch=True)
        assert offer.version == "0.3.0" and "0.3.0.json" in served.kept()
        assert [one.version for one in offer.news] == ["0.3.0", "0.2.0"]
        yank(publisher.site, publisher.keys, "0.3.0")
        publish(publisher.site, publisher.keys)
        offer = served.ask()
        assert offer.version == "0.2.0" and "was withdrawn" in offer.notes[0]
        assert "0.3.0.json" not in served.kept()


def test_what_is_not_signed_or_not_there_is_not_published(
    publisher: Publisher, tmp_path: Path
) -> None:
    with pytest.raises(UpdateError, match=r"0\.2\.0 is signed already; .* build the next"):
        add_release(publisher.site, publisher.keys, publisher.folder / "built" / "0.2.0")
    with pytest.raises(UpdateError, match=r"there is no release 0\.9"):
        yank(publisher.site, publisher.keys, "0.9")
    with pytest.raises(UpdateError, match="holds no release"):
        add_release(publisher.site, publisher.keys, tmp_path)
    built = publisher.folder / "built" / "0.2.0" / "wheels" / "btc_ai-1.0-py3-none-any.whl"
    shutil.copytree(publisher.folder / "built" / "0.2.0", tmp_path / "0.3.0")
    text = (tmp_path / "0.3.0" / "release.json").read_text()
    (tmp_path / "0.3.0" / "release.json").write_text(text.replace('"0.2.0"', '"0.3.0"'))
    (tmp_path / "0.3.0" / "wheels" / built.name).write_bytes(b"other")
    with pytest.raises(UpdateError, match=r"is not what release\.json says; build anew"):
        add_release(publisher.site, publisher.keys, tmp_path / "0.3.0")

    before = publisher.file("metadata/timestamp.json").read_bytes()
    renew(publisher.site, publisher.keys)
    publisher.file("targets/wheels/*/*.whl").unlink()
    with pytest.raises(UpdateError, match="is not what was signed"):
        publish(publisher.site, publisher.keys)
    shutil.rmtree(publisher.folder / "keys" / "online")
    with pytest.raises(UpdateError, match="the key of snapshot is not in"):
        refresh(publisher.site, publisher.keys)
    assert publisher.file("metadata/timestamp.json").read_bytes() == before
    with pytest.raises(UpdateError, match="holds no keys; `btc-ai release keygen"):
        publish(publisher.site, Keys(tmp_path / "none", str))
    empty = sites.Site(tmp_path / "empty")
    with pytest.raises(UpdateError, match="nothing is signed"):
        publish(empty, publisher.keys)
    with pytest.raises(UpdateError, match="nothing is published"):
        refresh(empty, publisher.keys)


def test_a_targets_file_that_the_server_forged_is_not_signed_over(publisher: Publisher) -> None:
    path = publisher.file("metadata/1.targets.json")
    body = json.loads(path.read_text())
    body["signed"]["targets"].clear()
    path.write_text(json.dumps(body))
    with pytest.raises(UpdateError, match=r"1\.targets\.json of .* is not signed by the key"):
        renew(publisher.site, publisher.keys)


def test_whoever_fetches_meanwhile_finds_a_whole_state(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash before each write of `sign` and `publish`, with keys that were replaced."""
    for role in ("targets", "snapshot", "timestamp"):
        rotate(publisher.keys, role, None)
    site, before, seen = publisher.folder / "site", tmp_path / "before", list[str]()
    shutil.copytree(site, before)
    with _machine(publisher, tmp_path / "machine") as served:
        while _crashes(publisher, monkeypatch, len(seen)):
            served.layout = Layout(tmp_path / f"machine-{len(seen)}")
            seen.append(str(served.ask(fetch=True).version))
            if publisher.site.newest("targets") == 1:
                add_release(publisher.site, publisher.keys, publisher.folder / "built" / "0.3.0")
            publish(publisher.site, publisher.keys)
            assert served.ask(fetch=True).version == "0.3.0"
            shutil.rmtree(site)
            shutil.copytree(before, site)
    assert seen == ["0.2.0"] * 6 + ["0.3.0"] * 3


def _crashes(publisher: Publisher, monkeypatch: pytest.MonkeyPatch, step: int) -> bool:
    """Publish the next release, until the write of this number."""
    shutil.rmtree(publisher.folder / "built" / "0.3.0", ignore_errors=True)
    crash = _Crash(step)
    with monkeypatch.context() as patched:
        patched.setattr(sites, "write_new", crash.before(key_files.write_new))
        patched.setattr(sites, "replace_durably", crash.before(replace_durably))
        patched.setattr(shutil, "copyfile", crash.before(shutil.copyfile))
        try:
            publisher.release("0.3.0", {"btc_ai": b"three"})
        except _Crash:
            return True
    return False


class _Crash(Exception):
    def __init__(self, step: int) -> None:
        self.left = step

    def before(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def writing(*arguments: Any) -> Any:
            self.left -= 1
            if self.left < 0:
                raise self
            return write(*arguments)

        return writing


def test_what_will_expire_is_told(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refresh(publisher.site, publisher.keys).warnings == []
    monkeypatch.setattr(publishing, "WARN_DAYS", 400)
    (warning,) = refresh(publisher.site, publisher.keys).warnings
    assert warning.startswith("targets expires in 364 days") and "release sign`" in warning


def test_two_publishers_at_once(publisher: Publisher) -> None:
    lock = Lock(publisher.folder / "site" / ".lock", "it")
    try:
        with pytest.raises(BtcAiError, match="is already changing"):
            publish(publisher.site, publisher.keys)
    finally:
        lock.release()
