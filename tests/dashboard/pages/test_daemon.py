"""A person trains from the pages of a real daemon: starts, stops, goes on, transfers, reports."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import House
from tests.dashboard.pages.conftest import LAPTOP, Visitor

EPISODES = 30
LIMIT_MS = 60_000
"""How long what the daemon does may take."""


def choose(page: Page, entry: str) -> None:
    """An entry of the menu Training."""
    menu = page.get_by_label("Menu")
    menu.locator("summary", has_text="Training").click()
    menu.get_by_role("button", name=entry, exact=True).click()


@pytest.mark.slow
def test_a_run_is_started_steered_handed_on_and_reported(house: House, chromium: Browser) -> None:
    house.configure(
        MONITORING={"ENABLED": True, "UPDATE_INTERVAL": 0.5, "GENERATE_REPORTS": False},
        DASHBOARD={"ENABLED": True},
        KNOWLEDGE_TRANSFER={"TRANSFER_VERIFY": "twin"},
    )
    house.run("daemon", "start")
    context = chromium.new_context(viewport=LAPTOP)  # type: ignore[arg-type]
    visitor = Visitor(context, house.run("monitor", "--no-open").strip())
    page = visitor.go("/overview")
    main, dialog = page.get_by_role("main"), page.get_by_role("dialog")
    state = main.locator(".pill").first

    page.get_by_role("button", name="Start progressive training").click()
    dialog.get_by_role("button", name="Cancel").click()
    choose(page, "Progressive Training …")
    dialog.get_by_label("Sequence, in order").fill("Scalping")
    dialog.get_by_label(re.compile("Episodes a bucket")).fill(str(EPISODES))
    dialog.get_by_label("Market").select_option("sample")
    dialog.get_by_role("button", name="Start training").click()
    page.wait_for_url("**/training?run=*")
    run = page.url.partition("run=")[2]
    expect(main).to_contain_text(f"Run {run}")
    expect(main).to_contain_text(re.compile(rf"episode [1-9]\d* of {EPISODES}"), timeout=LIMIT_MS)
    expect(page.locator(".legend").first).to_contain_text(run)

    main.get_by_role("button", name="Stop").click()
    expect(state).to_have_text("stopped", timeout=LIMIT_MS)
    stopped_after = house.episode()
    assert 0 < stopped_after < EPISODES
    main.get_by_role("button", name="Continue").click()
    expect(state).to_have_text("running", timeout=LIMIT_MS)
    choose(page, "Pause")
    expect(page.locator("#toasts")).to_contain_text(f"Run {run} is asked to pause")
    expect(state).to_have_text("paused", timeout=LIMIT_MS)
    choose(page, "Continue")
    expect(state).to_have_text("done", timeout=LIMIT_MS)
    expect(main).to_contain_text(f"episode {EPISODES} of {EPISODES}")

    choose(page, "Transfer knowledge …")
    dialog.get_by_label("From").select_option("Scalping")
    dialog.get_by_label("To").select_option("Short")
    dialog.get_by_role("button", name="What would it do?").click()
    expect(dialog.get_by_role("status")).to_contain_text("weights, features, horizons: matched")
    dialog.get_by_role("button", name="Transfer and train").click()
    page.wait_for_url(lambda url: run not in url)
    transferred = page.url.partition("run=")[2]
    expect(main).to_contain_text(f"Run {transferred}")
    page.get_by_label("Pages").get_by_role("link", name="Knowledge Transfer").click()
    row = page.get_by_role("region", name="Transfers").locator("tbody tr")
    expect(row).to_contain_text(re.compile(f"Scalping → Short.*{transferred}"))
    expect(row).to_contain_text(re.compile("kept|rolled back"), timeout=LIMIT_MS)
    row.get_by_role("link").click()
    expect(main).to_contain_text("Episodes: transferred / from scratch")

    page.get_by_role("button", name="Generate Report").click()
    with context.expect_page() as opened:
        page.get_by_role("link", name=f"{transferred}.html").click(timeout=LIMIT_MS)
    report = opened.value.get_by_role("main")
    expect(report.get_by_role("heading", name="Training report")).to_be_visible()
    expect(report).to_contain_text(f"Run {transferred}")
    assert visitor.wrong == []
    context.close()
