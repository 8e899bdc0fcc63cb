"""Help, in a browser; and that nobody is kept out of these pages."""

import time

import pytest
from playwright.sync_api import expect

from btc_ai import __version__
from btc_ai.updates.offer import News, Offer
from tests.dashboard.pages import made_up
from tests.dashboard.pages.conftest import PHONE, Served, Visitor

PAGES = ("/transfer", f"/transfer?id={made_up.DONE}-1", "/system", "/logs", "/settings", "/help")


def test_help_tells_of_the_program_and_leads_on(served: Served, stay: Visitor) -> None:
    page = stay.move("/help")
    main = page.get_by_role("main")
    expect(main).to_contain_text(__version__)
    expect(main).to_contain_text(str(served.config.MODELS_DIR))
    page.get_by_role("link", name="training parameters").click()
    stay.ready()
    expect(page.get_by_role("heading", name="Training Parameters")).to_be_visible()


def test_updates_are_checked_for_from_the_menu(served: Served, stay: Visitor) -> None:
    page = stay.move("/overview")
    page.locator("summary", has_text="Help").click()
    page.get_by_role("link", name="Check for Updates").click()
    expect(page.get_by_text("The daemon has no update service")).to_be_visible()
    stay.wrong.clear()  # the browser notes the refusal
    assert served.daemon is not None
    news = [News("9.9.9", "2026-11-30", "- <b>Faster</b>")]
    offer = Offer(
        "0.1.0", "https://updates.example", 0.0, "9.9.9", news, bytes=9 << 20, lacking=5 << 20
    )
    served.daemon.answers |= {"update.check": offer.as_dict(), "update.install": {"text": "ok"}}
    page.get_by_role("button", name="Check for Updates").click()
    expect(page.get_by_text("9.9.9 is there; you have")).to_contain_text("5 MiB are to be fetched")
    expect(page.get_by_text("- <b>Faster</b>")).to_be_visible()
    page.get_by_role("button", name="Install 9.9.9").click()
    expect(page.get_by_role("button", name="Install 9.9.9")).to_be_enabled()
    assert served.daemon.commands("update.install") == [("update.install", {"version": "9.9.9"})]
    half = {"bytes": 4 << 20, "total": 8 << 20, "rate": 1048576.0, "eta": 4.0}
    served.daemon.tell(served.ledger.event("update.progress", half, time.time(), "update"))
    expect(page.get_by_text("4 MiB of 8 MiB, 1 MiB/s, 4 s left")).to_be_visible()
    gone = {
        "text": "9.9.9 was given up",
        "outcome": "back",
        "step": "end",
        "version": "9.9.9",
        "before": "0.1.0",
        "by": "hand",
    }
    served.daemon.tell(served.ledger.event("update.state", gone, time.time(), "update"))
    expect(page.get_by_text("9.9.9 was given up")).to_be_visible()

    page.get_by_text("What was tried before").click()
    expect(page.get_by_text("0.0.9 → 0.1.0")).to_be_visible()
    expect(page.get_by_text(f"gone back: {made_up.HTML}")).to_be_visible()
    served.daemon.answers["update.rollback"] = {"text": "going back to 0.0.9"}
    expect(page.get_by_role("button", name="Go back to")).to_have_count(1)  # 0.2.0 was given up
    page.get_by_role("button", name="Go back to 0.0.9").click()
    page.get_by_role("button", name="Go back", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert served.daemon.commands("update.rollback") == [("update.rollback", {"version": "0.0.9"})]


@pytest.mark.parametrize("address", PAGES)
def test_the_page_is_accessible_in_both_themes_and_fits_a_phone(
    stay: Visitor, address: str
) -> None:
    page = stay.move(address)
    assert stay.faults() == []
    stay.theme("dark")
    assert stay.faults("color-contrast") == []
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert stay.overflow() == 0
    stay.wrong.clear() if "id=" in address else None
