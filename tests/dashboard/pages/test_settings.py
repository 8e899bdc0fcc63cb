"""The settings, in a browser: over a real file."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.pages.conftest import Served, Visitor

DAYS = "UPDATE_SYSTEM.CHECK_INTERVAL_DAYS"


@pytest.fixture(autouse=True)
def daemon(served: Served, stay: Visitor) -> Iterator[None]:
    """A daemon that reads its file when it is told to; all is as it was afterwards."""
    before = served.file.read_text()
    assert served.daemon is not None
    served.daemon.answers["daemon.reload"] = {"applied": [], "next_job": [DAYS], "restart": []}
    yield
    served.file.write_text(before)
    stay.move("/help")


def kept(served: Served) -> dict[str, Any]:
    """The file."""
    return dict(json.loads(served.file.read_text()))


def field(page: Page, key: str) -> Any:
    """The control of a setting."""
    return page.locator(f'[id="set-{key}"]')


def test_the_guides_four_update_settings_stand_first(stay: Visitor) -> None:
    page = stay.move("/settings")
    labels = page.locator(".setting label").all_inner_texts()
    assert labels[:4] == [
        "Enable/Disable Update Checks", "Automatic Updates", "Check Frequency, days",
        "Update Server",
    ]  # fmt: skip


def test_a_change_is_checked_as_in_the_file_and_said_when_it_takes_effect(
    served: Served, stay: Visitor
) -> None:
    page = stay.move("/settings")
    field(page, DAYS).fill("seven")
    expect(page.locator(".setting .wrong:visible")).to_have_text("must be a number")
    expect(page.get_by_role("button", name="Save")).to_be_disabled()
    field(page, DAYS).fill("-3")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".savebar .note")).to_contain_text(DAYS)
    assert "UPDATE_SYSTEM" not in kept(served)
    expect(field(page, DAYS)).to_have_value("-3")
    stay.wrong.clear()  # the browser notes the refusal
    field(page, DAYS).fill("3")
    expect(page.locator(".savebar li")).to_contain_text("7 → 3")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text(f"From the next run on: {DAYS}")
    assert kept(served)["UPDATE_SYSTEM"] == {"CHECK_INTERVAL_DAYS": 3}
    field(page, DAYS).fill("4")
    expect(page.get_by_text("Saved.")).to_have_count(0)
    page.get_by_role("button", name="Back to default").click()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("set in the file")).to_be_hidden()
    assert "CHECK_INTERVAL_DAYS" not in kept(served).get("UPDATE_SYSTEM", {})


def test_what_was_typed_outlives_pages_reloads_and_somebody_elses_change(
    served: Served, stay: Visitor
) -> None:
    page = stay.move("/settings")
    field(page, DAYS).fill("11")
    page.get_by_role("link", name="Logs", exact=True).click()
    stay.ready()
    page.go_back()
    page.reload()
    stay.ready()
    expect(field(page, DAYS)).to_have_value("11")
    served.file.write_text(json.dumps({**kept(served), "SEED": 9}))
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".savebar")).to_contain_text("Somebody has changed the file")
    stay.wrong.clear()
    page.get_by_role("button", name="Look at the file anew").click()
    expect(page.locator(".savebar .note")).to_have_count(0)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    assert kept(served)["SEED"] == 9 and kept(served)["UPDATE_SYSTEM"] == {
        "CHECK_INTERVAL_DAYS": 11
    }


@pytest.mark.soak
def test_a_search_and_a_section_have_addresses(stay: Visitor) -> None:
    page = stay.move("/settings?section=BUCKET_CONFIGS")
    expect(field(page, "BUCKET_CONFIGS.Short.FEATURES")).to_have_value(
        "price, volume, macd, rsi, ema, bollinger"
    )
    page.get_by_label("Search settings").fill("basis points")
    page.wait_for_url("**q=basis+points")
    assert page.locator(".setting code").all_inner_texts() == ["COST_BPS"]


def test_a_file_that_cannot_be_read_makes_settings_read_only(served: Served, stay: Visitor) -> None:
    served.file.write_text("{")
    page = stay.move("/settings")
    expect(page.locator(".note").first).to_contain_text("can only be read here")
    expect(field(page, DAYS)).to_be_disabled()


def test_a_plugin_is_switched(served: Served, stay: Visitor) -> None:
    assert served.daemon is not None
    row = {"name": "hello", "version": "0.1", "state": "ready", "detail": "",
           "isolation": "process", "pid": 7, "deaths": {}, "status": {}}  # fmt: skip
    served.daemon.answers |= {"daemon.status": {"plugins": [row]}, "daemon.disable": {},
                              "daemon.plugin": {"panels": []}}  # fmt: skip
    page = stay.move("/settings?section=PLUGINS")
    page.get_by_role("button", name="disable hello").click()
    dialog = page.get_by_role("dialog", name="Disable hello?")
    expect(dialog).to_contain_text("What it does stops, until it is enabled again")
    assert ("daemon.disable", {"plugin": "hello"}) not in served.daemon.asked
    dialog.get_by_role("button", name="Disable").click()
    expect(page.locator("#toasts")).to_contain_text("hello is disabled")
    assert ("daemon.disable", {"plugin": "hello"}) in served.daemon.asked


@pytest.mark.soak
def test_plugins_that_cannot_be_asked_for_are_said(served: Served, stay: Visitor) -> None:
    assert served.daemon is not None
    answer = served.daemon.answers.pop("daemon.status")
    page = stay.move("/settings?section=PLUGINS")
    expect(page.get_by_text("The daemon cannot be asked")).to_be_visible()
    served.daemon.answers["daemon.status"] = answer
    page.get_by_role("button", name="Ask again").click()
    expect(page.get_by_role("table", name="Plugins")).to_be_visible()
    stay.wrong.clear()  # the browser notes the refusal
