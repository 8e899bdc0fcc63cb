"""What stands on every page: menus, the link, watching, themes, the way back after a loss."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from btc_ai.dashboard.bus import LinkState
from tests.dashboard.pages import made_up
from tests.dashboard.pages.conftest import LAPTOP, PHONE, Served, Visitor

PAGES = ("/overview", f"/training?run={made_up.DONE}&bucket=Short", "/board")


@pytest.fixture
def lonely(tmp_path: Path, chromium: Browser) -> Iterator[tuple[Served, Visitor]]:
    """A dashboard of one's own with a run in training, and a visitor; it may be stopped."""
    served = Served(tmp_path / "lonely")
    now = served.ledger.now
    view = made_up.running_view(now - 100, 3)
    events = [served.ledger.event("training.run", view, now)]
    events += made_up.episodes(served.ledger, made_up.RUNNING, 1, now - 100, 3, twin=False)
    made_up.write(served.config, events)
    served.start()
    context = chromium.new_context(viewport=LAPTOP)  # type: ignore[arg-type]
    yield served, Visitor(context, served.url)
    context.close()
    served.stop()


def _episode(number: int) -> dict[str, object]:
    return {
        "run": made_up.RUNNING, "position": 1, "bucket": "Short", "episode": number, "eta_s": 60.0,
        "metrics": {**made_up.metrics("Short", "main", number), "reward": 100.0 + number},
    }  # fmt: skip


@pytest.mark.parametrize("theme, size", [("light", LAPTOP), ("dark", PHONE)])
def test_pages_have_no_serious_fault_and_fit(visit: Visitor, theme: str, size: Any) -> None:
    visit.theme(theme)
    visit.page.set_viewport_size(size)
    for address in PAGES:
        visit.go(address)
        assert visit.faults() == [], address
        assert visit.overflow() == 0, address
    page = visit.move("/transfer")
    ledger = page.get_by_role("region", name="Transfers")
    cut = ledger.evaluate("one => one.scrollWidth - one.clientWidth")
    assert visit.overflow() == 0 and cut == 0
    small = visit.page.eval_on_selector_all(
        "button, summary, nav a",
        """all => all.filter(one => one.offsetHeight && one.offsetHeight < 32)
            .map(one => `${one.textContent} ${one.offsetHeight}`)""",
    )
    assert small == []


def test_a_new_point_is_there_within_a_second(lonely: tuple[Served, Visitor]) -> None:
    served, visitor = lonely
    page = visitor.go("/training?bucket=Short&smooth=0&metrics=reward")
    assert served.daemon is not None
    stop = page.get_by_role("main").get_by_role("button", name="Stop")
    stop.focus()
    took = []
    for number in (4, 5, 6):
        begun = time.monotonic()
        event = served.ledger.event("training.progress", _episode(number), time.time())
        served.daemon.tell(event)
        expect(page.locator(".legend")).to_contain_text(f"{100 + number}")
        took.append(time.monotonic() - begun)
    assert min(took) < 1
    expect(page.locator("main")).to_contain_text("episode 6 of")
    expect(stop).to_be_focused()
    visitor.go("/overview")  # the history has not heard of it, the last events have
    expect(page.locator(".lasts").last).to_contain_text("106")
    top, bar = page.locator("section.card").first, page.get_by_label("progress of the run")
    share = int(bar.get_attribute("aria-valuenow") or 0)
    served.daemon.tell(served.ledger.event("training.progress", _episode(60), time.time()))
    expect(top).to_contain_text("Short: episode 60 of")
    assert int(bar.get_attribute("aria-valuenow") or 0) > share


def test_a_restart_of_the_server_is_told_and_what_was_missed_is_shown(
    lonely: tuple[Served, Visitor],
) -> None:
    served, visitor = lonely
    page = visitor.go("/training?bucket=Short&smooth=0")
    expect(page.locator("#state")).to_contain_text("live")
    served.stop()
    expect(page.locator(".banner")).to_contain_text("does not answer")
    stop = page.get_by_role("button", name="Stop", exact=True, include_hidden=True)
    for button in stop.all():
        expect(button).to_be_disabled()
        expect(button).to_have_attribute("title", re.compile("server does not answer"))
    served.write("training.progress", _episode(4))
    served.start()
    expect(page.locator(".legend").first).to_contain_text("104", timeout=15_000)
    expect(page.locator(".banner")).to_be_hidden()
    expect(stop.last).to_be_enabled()
    assert "bucket=Short" in page.url


def test_a_daemon_that_is_gone_is_told_from_a_server_that_is(
    lonely: tuple[Served, Visitor],
) -> None:
    served, visitor = lonely
    page = visitor.go("/overview")
    assert served.daemon is not None
    served.daemon.tell(LinkState(False, "no daemon runs in /run"))
    expect(page.locator("#state")).to_have_text("no daemon")
    expect(page.locator(".banner")).to_contain_text("no daemon runs in /run")
    pause = page.get_by_role("button", name="Pause", include_hidden=True).first
    expect(pause).to_be_disabled()
    expect(page.get_by_role("main").get_by_role("button", name="Pause")).to_be_disabled()
    served.daemon.tell(LinkState(False, "it has another one", "/elsewhere"))
    expect(page.locator("#state")).to_have_text("daemon elsewhere")
    expect(pause).to_have_attribute("title", re.compile("models folder, /elsewhere"))
    visitor.move("/logs")
    expect(page.get_by_role("main")).to_contain_text("daemon that runs has another models folder")
    visitor.move("/system")
    expect(page.get_by_role("main")).to_contain_text("/elsewhere, and keeps there what it measures")
    ended, after = made_up.sample(0.5), {**made_up.sample(0.5), "processes": []}
    times = zip((ended, after), (time.time() - 60, time.time()), strict=True)
    events = [served.ledger.event("monitoring.sample", *one, "monitoring") for one in times]
    made_up.write(served.config, events)
    page.get_by_role("button", name="Refresh Now").click()
    expect(page.get_by_role("main")).to_contain_text("this is as it was at")
    expect(page.get_by_role("table", name="Processes")).to_have_count(0)
    served.daemon.tell(LinkState(True))
    expect(page.locator("#state")).to_contain_text("live")
    expect(pause).to_be_enabled()


def test_a_page_turns_live_when_a_daemon_starts_and_back_when_it_ends(
    lonely: tuple[Served, Visitor],
) -> None:
    served, visitor = lonely
    assert served.daemon is not None
    served.daemon.connected = LinkState(False, "none yet")
    served.stop()
    served.start()
    page = visitor.go("/settings?section=PLUGINS")
    expect(page.locator("#state")).to_have_text("no daemon")
    expect(page.locator(".banner")).to_be_hidden()
    expect(page.locator("main")).to_contain_text("Plugins run in the daemon")
    served.daemon.tell(LinkState(True))
    expect(page.locator("#state")).to_contain_text("live")
    expect(page.locator("main")).to_contain_text("Installed plugins")
    served.daemon.tell(LinkState(False, "the daemon has ended"))
    expect(page.locator("#state")).to_have_text("no daemon")
    expect(page.locator(".banner")).to_contain_text("the daemon has ended")
    expect(page.locator("main")).to_contain_text("Plugins run in the daemon")


def test_who_does_not_watch_is_told_nothing_until_refreshed(lonely: tuple[Served, Visitor]) -> None:
    served, visitor = lonely
    page = visitor.go("/training?bucket=Short&smooth=0")
    page.get_by_role("button", name="Stop Watching").click()
    expect(page.locator("#state")).to_have_text("not watching")
    served.tell("training.progress", _episode(4))
    page.wait_for_timeout(300)
    expect(page.locator(".legend").first).not_to_contain_text("104")
    page.get_by_role("button", name="Refresh Now").click()
    expect(page.locator(".legend").first).to_contain_text("104")
    page.get_by_role("button", name="Start Watching").click()
    expect(page.locator("#state")).to_contain_text("live")


def test_menus_are_used_with_the_keyboard(stay: Visitor) -> None:
    page = stay.go("/overview")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the page")).to_be_focused()
    menu = page.locator("summary", has_text="Monitoring")
    menu.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Launch Training Monitor")).to_be_focused()
    page.keyboard.press("Escape")
    expect(menu).to_be_focused()
    for name, address in [("Training Progress", "/training"), ("Combined", "/board")]:
        page.get_by_label("Pages").get_by_role("link", name=name).press("Enter")
        expect(page).to_have_url(stay.url + address)
    page.go_back()
    expect(page).to_have_url(stay.url + "/training")


@pytest.mark.soak
def test_the_theme_is_kept(visit: Visitor) -> None:
    page = visit.go("/training")
    for wanted in ("light", "dark"):
        page.locator("#theme").click()
        assert page.evaluate("() => document.documentElement.dataset.theme") == wanted
    visit.go("/overview")
    assert page.evaluate("() => document.documentElement.dataset.theme") == "dark"


def test_a_refusal_is_shown_where_it_was_asked(stay: Visitor, served: Served) -> None:
    page = stay.move("/overview")
    page.locator("summary", has_text="Training").first.click()
    page.get_by_role("button", name="Resume a bucket …").click()
    assert served.daemon is not None
    served.daemon.answers.pop("training.start", None)
    page.get_by_role("button", name="Resume training").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("no command")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    stay.wrong.clear()  # the browser notes a 502


def test_what_a_run_that_is_to_stop_allows_is_plain(lonely: tuple[Served, Visitor]) -> None:
    served, visitor = lonely
    view = made_up.running_view(served.ledger.now - 100, 3)
    page = visitor.go("/training?bucket=Short")
    menu, main = page.locator("details.menu").first, page.get_by_role("main")
    served.tell("training.run", {**view, "wanted": "stopped"})
    expect(main.locator(".pill").first).to_have_text("stopping")
    page.reload()
    visitor.ready()
    expect(main.locator(".pill").first).to_have_text("stopping")
    menu.locator("summary").click()
    for button in (
        *(main.get_by_role("button", name=name) for name in ("Pause", "Stop")),
        *(menu.get_by_role("button", name=name) for name in ("Stop", "Continue", "Resume")),
    ):
        expect(button).to_be_disabled()
        expect(button).to_have_attribute("title", re.compile("is being stopped"))
    served.tell("training.run", {**view, "wanted": None})
    expect(main.locator(".pill").first).to_have_text("running")
    expect(main.get_by_role("button", name="Stop")).to_be_enabled()
    expect(menu.get_by_role("button", name="Stop")).to_be_enabled()
    resume = menu.get_by_role("button", name="Continue")
    expect(resume).to_have_attribute("title", "There is no run to continue")
    expect(resume).to_be_disabled()
    assert visitor.wrong == []


def test_an_address_without_a_page_says_so(visit: Visitor) -> None:
    page = visit.go("/nonsense?x=1")
    expect(page).to_have_title("No such page · BTC-AI")
    expect(page.get_by_role("main")).to_contain_text("There is no such page")
    assert visit.faults() == []
    page.get_by_role("link", name="Go to the overview").click()
    expect(page).to_have_title("Overview · BTC-AI")
    visit.wrong.clear()  # the browser notes a 404
