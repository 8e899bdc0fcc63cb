"""Knowledge Transfer, in a browser."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.dashboard.pages import made_up
from tests.dashboard.pages.conftest import LAPTOP, Served, Visitor
from tests.history.conftest import run_view, step_view

ROLLED_BACK = f"{made_up.DONE}-2"


def test_the_graph_tells_direction_outcome_impact_and_what_was_carried(stay: Visitor) -> None:
    page = stay.move("/transfer")
    arrows = page.locator(".graph a")
    expect(arrows).to_have_count(3)
    said = [one.get_attribute("aria-label") or "" for one in arrows.all()]
    (back,) = [one for one in said if "Short → Medium" in one]
    assert (
        "rolled back" in back and "−0.2100 bps a bar" in back and "95 %: −0.2900 … −0.1300" in back
    )
    assert "weights, features, horizons" in back
    assert any("Scalping → Short: not measured yet" in one for one in said)
    shapes = {one.get_attribute("data-shape") for one in arrows.all()}
    assert shapes == {"whole", "dashed", "thin"}  # not by colour alone
    assert page.locator(".graph .bucket").all_inner_texts() or page.locator(".bucket").count() == 4


def test_a_transfer_has_an_address_with_plan_verdict_and_both_arms(stay: Visitor) -> None:
    page = stay.move("/transfer")
    page.locator(f'.graph a[href*="{ROLLED_BACK}"]').press("Enter")
    page.wait_for_url(f"**/transfer?id={ROLLED_BACK}")
    stay.ready()
    main = page.get_by_role("main")
    expect(main).to_contain_text("transfer rolled back: it harms")
    for told in main.locator(".pill").all():
        expect(told).to_have_text(re.compile("rolled back"))
        expect(told).to_have_attribute("data-level", "warning")
    expect(main).to_contain_text("bollinger")
    expect(main).to_contain_text("both 6–72 bars")
    expect(page.locator(".chart .legend").first).to_contain_text("from scratch")
    page.get_by_label("Metric").select_option("loss")
    page.get_by_label("Smoothing").fill("0.6")
    stay.ready()
    page.reload()
    stay.ready()
    assert "metric=loss" in page.url and "smooth=0.6" in page.url
    expect(page.get_by_role("heading", name="Loss")).to_be_visible()
    expect(page.get_by_label("Smoothing")).to_have_value("0.6")


def test_an_episode_of_the_twin_is_drawn_as_it_ends(served: Served, stay: Visitor) -> None:
    page = stay.move(f"/transfer?id={made_up.RUNNING}-1&metric=reward")
    body = {"run": made_up.RUNNING, "position": 1, "bucket": "Short", "episode": 51, "eta_s": 9.0}
    served.tell("training.twin", {**body, "metrics": {"reward": 0.777}})
    expect(page.locator(".chart .legend").first).to_contain_text("0.777", timeout=1000)


@pytest.mark.soak
def test_no_such_transfer_is_said(stay: Visitor) -> None:
    page = stay.move("/transfer?id=none-1")
    expect(page.get_by_role("main")).to_contain_text("There is no such transfer")
    assert all("404" in one for one in stay.wrong)
    stay.wrong.clear()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A dashboard of its own, where nothing has happened yet."""
    made = Served(tmp_path_factory.mktemp("many"))
    made.start()
    made.tell("monitoring.sample", made_up.sample(0.5), source="monitoring")
    yield made
    made.stop()


def test_what_was_empty_fills_by_itself_and_has_pages(many: Served, chromium: Browser) -> None:
    context = chromium.new_context(viewport=LAPTOP)  # type: ignore[arg-type]
    visitor = Visitor(context, many.url)
    page = visitor.go("/transfer")
    expect(page.get_by_role("main")).to_contain_text("Nothing has been transferred yet")
    for number in range(30):
        step = step_view(1, "Short", transfer=made_up.transfer(1))
        many.tell("training.run", run_view(step, run=f"run{number:03d}", created=1000.0 + number))
    expect(page.locator(".graph a")).to_have_count(1, timeout=3000)
    page.get_by_role("button", name="Older").click()
    visitor.ready()
    expect(page.locator("tbody tr")).to_have_count(5)
    assert re.search(r"from=25\b", page.url)
    page.go_back()
    visitor.ready()
    expect(page.locator("tbody tr")).to_have_count(25)
    context.close()
    assert visitor.wrong == []
