"""Downloads: only what is lacking, whole or not at all, whatever ends them."""

import errno
import os
import signal
import time

import psutil
import pytest

from btc_ai.config import UpdateSystem
from btc_ai.errors import BtcAiError, UpdateError
from btc_ai.lock import Lock
from btc_ai.updates import store
from btc_ai.updates.asking import ask
from btc_ai.updates.offer import Received, Request, request
from btc_ai.updates.release import decode_release
from btc_ai.updates.status import last_check
from tests.updates.network.publishing import Handler, Served

CHILD = "btc_ai.updates.download"


def _request(served: Served) -> Request:
    return request(UpdateSystem.model_validate(served.settings), served.layout, fetch=True)


def _children() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if CHILD in one.cmdline()]


def _drip(handler: Handler) -> bool:
    """Send the large wheel so slowly that it never ends, but never fall silent either."""
    if "big" not in handler.path:
        return False
    handler.send_response(200)
    handler.end_headers()
    for _ in range(1000):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.02)
    return True


def test_only_what_is_lacking_is_fetched(served: Served) -> None:
    offer = served.ask(fetch=True, version="0.2.0")
    assert offer.staged and offer.version == "0.2.0"
    served.server.asked.clear()
    offer = served.ask()
    assert (offer.version, offer.staged) == ("0.3.0", False)
    assert 0 < offer.lacking < 2000 < offer.bytes
    served.ask(fetch=True)
    wheels = [one for one in served.server.asked if one.startswith("/targets/wheels")]
    assert len(wheels) == 1 and "btc_ai" in wheels[0]

    release = decode_release((served.layout.staged / "0.3.0.json").read_bytes())
    assert store.missing(served.layout, release) == []
    served.server.asked.clear()
    assert served.ask(fetch=True).staged
    assert not any("wheels" in one for one in served.server.asked)


def test_an_interrupted_download_goes_on_with_what_is_whole(served: Served) -> None:
    path = served.publisher.file("targets/wheels/*/*.big-1.0-py3-none-any.whl")
    path.rename(path.with_suffix(".gone"))
    with pytest.raises(UpdateError, match=r"answers 404 for .*big-1\.0"):
        served.ask(fetch=True)
    assert served.kept() == ["btc_ai-1.0-py3-none-any.whl"]
    path.with_suffix(".gone").rename(path)
    served.server.asked.clear()
    assert served.ask(fetch=True).staged
    assert ["big" in one for one in served.server.asked if "wheels" in one] == [True]


def test_a_wheel_that_was_damaged_in_the_store_is_fetched_again(served: Served) -> None:
    served.ask(fetch=True)
    (path,) = served.layout.wheels.glob("*/big-*.whl")
    path.write_bytes(b"?" + path.read_bytes()[1:])
    offer = served.ask()
    assert 300_000 < offer.lacking < offer.bytes and not offer.staged
    assert served.ask(fetch=True).staged


def test_no_space_is_said_before_anything_is_fetched(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "SPARE_BYTES", 1 << 60)
    with pytest.raises(UpdateError, match=r"MiB free, and the update needs .* make space"):
        served.ask(fetch=True)
    assert served.kept() == []
    assert not any("wheels" in one for one in served.server.asked)


def test_a_disk_that_is_full_leaves_nothing(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        with pytest.raises(UpdateError, match="No space left on device; make space"):
            served.ask(fetch=True)
    assert served.kept() == []
    assert served.ask(fetch=True).staged


def test_two_downloads_do_not_meet(served: Served) -> None:
    lock = Lock(served.layout.download_lock, "it")
    try:
        with pytest.raises(BtcAiError, match=f"another process .{os.getpid()}. is already asking"):
            served.ask(fetch=True)
    finally:
        lock.release()


def test_a_child_reports_how_far_it_is(served: Served) -> None:
    heard: list[Received] = []
    offer = ask(_request(served), heard.append)
    assert offer.version == "0.3.0" and offer.staged and offer.lacking == 0
    assert [one.bytes for one in (heard[0], heard[-1])] == [0, heard[-1].total]
    assert heard[-1].total == offer.bytes and heard[-1].rate > 0
    assert last_check(served.layout) is None


def test_a_server_that_drips_is_given_up_and_nothing_is_left(served: Served) -> None:
    served.server.act = _drip
    began = time.monotonic()
    with pytest.raises(UpdateError, match="is too slow: it was given up"):
        ask(_request(served), limit_s=4)
    assert time.monotonic() - began < 8
    assert any("big" in one for one in served.server.asked)
    assert not _children()
    assert [one for one in served.kept() if one.startswith(".") or "big" in one] == []


def test_a_killed_download_is_taken_up_again(served: Served) -> None:
    served.server.act = _drip

    def kill(_: Received) -> None:
        if any("big" in one for one in served.server.asked) and _drafts(served):
            os.kill(_children()[0].pid, signal.SIGKILL)

    with pytest.raises(UpdateError, match="the process that asks the update server ended"):
        ask(_request(served), kill, limit_s=20)
    assert _drafts(served)
    served.server.act = lambda _: False
    assert served.ask(fetch=True).staged
    assert not _drafts(served)


def _drafts(served: Served) -> list[str]:
    return [one for one in served.kept() if one.startswith(".draft")]
