"""The combined board: its tiles, which of them are chosen, and that this is remembered."""

import re
import time

from playwright.sync_api import expect

from tests.dashboard.pages import made_up
from tests.dashboard.pages.conftest import Served, Visitor


def test_tiles_show_the_run_the_machine_and_transfers(stay: Visitor, served: Served) -> None:
    page = stay.move(f"/board?run={made_up.DONE}")
    for name in ("Reward", "GPU memory", "Knowledge transfer", "Feature importance", "Log"):
        expect(page.get_by_role("heading", name=re.compile(name)).first).to_be_visible()
    expect(page.locator(".legend").first).to_contain_text("Scalping")
    kept = re.compile(r"Medium, from scratch \(kept\) \d\d\d")
    expect(page.locator(".legend").first).not_to_contain_text(kept)
    twin = {"run": made_up.DONE, "position": 2, "bucket": "Medium", "episode": 91, "eta_s": 0.0}
    assert served.daemon is not None
    for kind, body in (
        ("training.progress", {**twin, "metrics": {"reward": -900.0}}),
        ("training.twin", {**twin, "metrics": {"reward": 900.0}}),
    ):
        served.daemon.tell(served.ledger.event(kind, body, time.time()))
    expect(page.locator(".legend").first).to_contain_text(kept)
    memory = page.locator(".chart", has_text="GPU memory").locator(".legend")
    told = served.ledger.event(
        "monitoring.sample", made_up.sample(0.123), time.time(), "monitoring"
    )
    served.daemon.tell(told)
    expect(memory).to_contain_text("36.1 %", timeout=1500)


def test_tiles_are_chosen_ordered_and_remembered(visit: Visitor) -> None:
    page = visit.go("/board?tiles=loss,alerts")
    expect(page.locator("main .card")).to_have_count(2)
    page.get_by_role("button", name="Tiles …").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Alerts further up").click()
    dialog.get_by_label("Loss", exact=True).uncheck()
    dialog.get_by_label("Win rate", exact=True).check()
    dialog.get_by_role("button", name="Show these").click()
    page.wait_for_url("**tiles=alerts,win_rate*")
    expect(page.locator("main .card h2, main .card h3")).to_have_text(
        ["Alerts", re.compile("Win rate")]
    )
    visit.go("/board")
    expect(page.locator("main .card")).to_have_count(2)
    assert visit.faults() == []


def test_panels_of_plugins_are_text_tables_and_lines(stay: Visitor) -> None:
    page = stay.move("/board?tiles=panel:hello.text,panel:hello.table,panel:hello.line")
    expect(page.locator(".plain")).to_contain_text("<b>loss</b> is not finite")
    expect(page.get_by_role("region", name="Greetings as table").locator("tbody tr")).to_have_count(
        2
    )
    expect(page.locator(".legend")).to_contain_text("greetings 2")
    assert stay.faults() == []
