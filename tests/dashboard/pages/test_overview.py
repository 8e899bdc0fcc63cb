"""The overview: every bucket at a glance, and what it says where there is nothing."""

import re
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.dashboard.pages import made_up
from tests.dashboard.pages.conftest import LAPTOP, Served, Visitor
from tests.history.folders import add_episode, write_run


def test_every_bucket_is_shown_for_what_it_is(served: Served, stay: Visitor) -> None:
    page = stay.move("/overview")
    cards = page.locator("section.card")
    scalping, short, medium = (cards.filter(has=page.get_by_role("heading", name=name, exact=True))
                               for name in ("Scalping", "Short", "Medium"))  # fmt: skip
    expect(scalping).to_contain_text("done")
    expect(short).to_contain_text("episode 50 of 90")
    expect(short).to_contain_text("min left")
    expect(medium).to_contain_text("waits for its turn")
    reward = short.locator("tr", has_text="Reward")
    low, high = reward.locator("td").nth(1).inner_text().replace("−", "-").split(" to ")
    last = reward.locator("td").first.inner_text()
    expect(short).to_contain_text("transfer from Scalping not measured yet")
    expect(page.locator(".card[data-other]")).to_have_count(0)
    assert float(low) < float(last) < float(high)
    alerts = cards.filter(has_text="Alerts")
    expect(alerts).to_contain_text("GPU 0 memory is at 71 %")
    diverged = {"run": made_up.RUNNING, "position": 1, "bucket": "Short", "arm": "scratch",
                "text": "Short diverged in episode 9: loss nan"}  # fmt: skip
    served.tell("training.diverged", diverged)
    expect(alerts).to_contain_text(
        f"run {made_up.RUNNING}: the twin from scratch of Short diverged in episode 9: loss nan"
    )
    page.get_by_role("link", name="Short", exact=True).click()
    expect(page).to_have_url(f"{stay.url}/training?run={made_up.RUNNING}&bucket=Short")


def test_an_empty_folder_says_what_to_do_and_then_shows_its_runs(
    tmp_path: Path, chromium: Browser
) -> None:
    more = {"MONITORING": {"UPDATE_INTERVAL": 0.5}}
    served = Served(tmp_path / "empty", followed=False, more=more)
    (served.config.MODELS_DIR / "Short" / "x").mkdir(parents=True)
    (served.config.MODELS_DIR / "Short" / "x" / "model.json").write_text("{")
    served.start()
    context = chromium.new_context(viewport=LAPTOP)  # type: ignore[arg-type]
    try:
        visitor = Visitor(context, served.url)
        page = visitor.go("/overview")
        expect(page.locator("#state")).to_have_text("no daemon")
        expect(page.locator("main")).to_contain_text("Nothing has been trained yet")
        expect(page.locator("main")).to_contain_text("btc-ai train --market sample")
        expect(page.locator("main")).to_contain_text("model.json is no card of a model")
        assert visitor.faults() == []
        for address in ("/training", "/board"):
            visitor.go(address)
            expect(page.locator("main")).not_to_be_empty()
            page.locator(".controls summary", has_text="Export").click()
            page.get_by_role("button", name="PNG").click()
            expect(page.locator(".toast")).to_have_text("Nothing to export: there is no run")
            assert visitor.faults() == []
        visitor.go("/overview")
        run = write_run(served.config.MODELS_DIR, "Short", "grw234", episodes=3)
        short = page.locator("section.card", has=page.get_by_role("heading", name="Short"))
        expect(short).to_contain_text("episode 3 of 9")
        expect(page.locator("main")).to_contain_text("Shown from the run folders; there is no")
        expect(page.locator(".banner")).to_be_hidden()
        assert visitor.faults() == []
        add_episode(run, 4)
        expect(short).to_contain_text("episode 4 of 9")
        expect(short).not_to_contain_text("run grw234")
        write_run(served.config.MODELS_DIR, "Medium", "new567", episodes=1)
        medium = page.locator("section.card", has=page.get_by_role("heading", name="Medium"))
        expect(medium).to_contain_text("episode 1 of 9")
        expect(page.locator(".card[data-other] a.pill")).to_have_count(1)
        expect(page.locator(".card[data-other]")).to_contain_text(re.compile("run (grw234|new567)"))
    finally:
        context.close()
        served.stop()
