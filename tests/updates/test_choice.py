"""Which release is chosen, and why another is not."""

import pytest

from btc_ai.errors import UpdateError
from btc_ai.updates.choice import Wanted, candidates, unsuited
from btc_ai.updates.index import Entry
from btc_ai.updates.release import Release, Wheel

OFFERED = (
    Entry("0.5.0rc1", "2026-11-05", "0"),
    Entry("0.4.0", "2026-11-04", "0.3.0"),
    Entry("0.3.0", "2026-11-03", "0", yanked=True),
    Entry("0.2.1", "2026-11-02", "0"),
    Entry("0.2.0", "2026-11-01", "0"),
    Entry("0.1.0", "2026-10-01", "0"),
)


def _chosen(current: str, **wanted: object) -> tuple[list[str], list[str]]:
    notes: list[str] = []
    asked = Wanted(current, **wanted)  # type: ignore[arg-type]
    return [one.version for one in candidates(OFFERED, asked, notes)], notes


def test_the_newest_that_suits_is_chosen() -> None:
    chosen, notes = _chosen("0.1.0")
    assert chosen == ["0.2.1", "0.2.0"]
    assert notes[0].startswith("0.4.0 can be installed over 0.3.0 or newer; update 0.1.0 to one")
    assert notes[1] == "0.3.0 was withdrawn by its publisher"
    assert _chosen("0.3.5") == (["0.4.0"], [])
    assert _chosen("0.4.0") == ([], [])
    assert _chosen("0.5.0b1")[0] == ["0.5.0rc1"]


def test_what_is_installed_was_withdrawn() -> None:
    chosen, notes = _chosen("0.3.0")
    assert chosen == ["0.4.0"] and "0.3.0, which is installed, was withdrawn" in notes[0]


def test_what_failed_before_is_passed_over_unless_it_is_asked_for() -> None:
    chosen, notes = _chosen("0.1.0", bad={"0.2.1"})
    assert chosen == ["0.2.0"] and "ask for it by --version 0.2.1" in notes[-1]
    assert _chosen("0.1.0", bad={"0.2.1"}, version="0.2.1")[0] == ["0.2.1"]


@pytest.mark.parametrize(
    ("current", "version", "words"),
    [
        ("0.1.0", "0.9.0", "has no release 0.9.0; it has 0.5.0rc1, 0.4.0, 0.2.1"),
        ("0.1.0", "0.3.0", "was withdrawn"),
        ("0.1.0", "0.4.0", "over 0.3.0 or newer"),
        ("0.4.0", "0.2.0", "older than 0.4.0, which is installed; .* add --allow-downgrade"),
    ],
)
def test_what_may_not_be_asked_for(current: str, version: str, words: str) -> None:
    with pytest.raises(UpdateError, match=words):
        _chosen(current, version=version)


def test_a_downgrade_that_is_meant() -> None:
    assert _chosen("0.4.0", version="0.2.0", allow_downgrade=True)[0] == ["0.2.0"]


def test_a_release_for_others() -> None:
    def made(python: str, filename: str) -> Release:
        wheels = (Wheel(filename, "0" * 64, 1),)
        return Release("1.0", "2026-11-01", "0", python, {}, "", wheels)

    assert unsuited(made(">=3.11", "a-1.0-py3-none-any.whl")) is None
    assert "needs Python <3.0" in str(unsuited(made("<3.0", "a-1.0-py3-none-any.whl")))
    reason = str(unsuited(made("", "a-1.0-cp27-cp27m-win32.whl")))
    assert "is for other machines: a-1.0-cp27-cp27m-win32.whl does not run here" in reason
