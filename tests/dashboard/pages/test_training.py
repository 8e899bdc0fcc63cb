"""Training Progress: curves, what can be set about them, the address."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.pages import made_up
from tests.dashboard.pages.conftest import Served, Visitor
from tests.history.conftest import run_view, step_view

DONE = f"/training?run={made_up.DONE}"


def titles(page: Page) -> list[str]:
    return [one.split(",")[0] for one in page.locator(".chart h3").all_inner_texts()]


def brush(page: Page, start: float, end: float) -> None:
    box = page.locator(".u-over").first.bounding_box()
    assert box is not None
    left, width, y = box["x"], box["width"], box["y"] + box["height"] / 2
    page.mouse.move(left + start * width, y)
    page.mouse.down()
    page.mouse.move(left + end * width, y, steps=4)
    expect(page.locator(".u-select").first).to_be_visible()  # uPlot follows a frame later
    page.mouse.up()


def ready(page: Page) -> None:
    page.wait_for_function("() => document.documentElement.dataset.ready === 'true'")


def test_metrics_and_buckets_are_chosen_and_stand_in_the_address(stay: Visitor) -> None:
    page = stay.move(f"{DONE}&bucket=Short")
    assert titles(page) == ["Reward", "Loss", "Win rate", "Profit factor"]
    page.get_by_role("button", name="Loss", exact=True).click()
    page.get_by_role("button", name="Bars per second").click()
    expect(page.locator(".chart")).to_have_count(4)
    page.get_by_role("button", name="Medium", exact=True).click()
    expect(page.locator(".legend").first).to_contain_text("from scratch (kept)")
    address = page.url
    page.reload()
    ready(page)
    assert page.url == address
    assert titles(page) == ["Reward", "Win rate", "Profit factor", "Bars per second"]
    expect(page.get_by_role("button", name="Medium", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    page.get_by_role("button", name="Side by side").click()
    expect(page.locator(".chart")).to_have_count(16)


def test_the_twin_validation_verdict_and_importance_are_shown(stay: Visitor) -> None:
    page = stay.move(f"{DONE}&bucket=Short")
    legend = page.locator(".legend").first
    for words in (made_up.DONE, "validation", "from scratch"):
        expect(legend).to_contain_text(words)
    expect(page.locator("main")).to_contain_text("kept: +0.140 net bps a bar")
    expect(page.locator("main")).to_contain_text("95 % interval +0.060 to +0.220")
    features = page.locator(".importance li")
    expect(features).to_have_count(len(made_up.FEATURES))
    expect(features.first).to_contain_text("price")
    models = page.get_by_role("region", name="Models and checkpoints")
    expect(models.locator("tbody tr")).to_have_count(4)


def test_zoom_is_brushed_kept_and_reset(stay: Visitor) -> None:
    page = stay.move(f"{DONE}&bucket=Short")
    brush(page, 0.3, 0.6)
    page.wait_for_url("**x0=*")
    ready(page)
    shown = page.evaluate("() => new URLSearchParams(location.search).get('x0')")
    assert 20 < float(shown) < 35
    plot = page.locator(".plot").nth(1)
    plot.focus()
    page.keyboard.press("Home")
    expect(page.locator("[aria-live]").nth(1)).to_contain_text(f"episode {int(float(shown)) + 1}")
    page.reload()
    ready(page)
    page.locator(".plot").nth(1).focus()
    page.keyboard.press("Home")
    expect(page.locator("[aria-live]").nth(1)).to_contain_text(f"episode {int(float(shown)) + 1}")
    page.get_by_role("button", name="Reset zoom").click()
    expect(page.get_by_role("button", name="Reset zoom")).to_be_hidden()
    page.go_back()
    page.wait_for_url("**x0=*")
    page.locator(".plot").first.press("Escape")
    page.wait_for_url(lambda url: "x0" not in url)


def test_news_do_not_take_a_brush_out_of_the_hand(stay: Visitor, served: Served) -> None:
    page = stay.move("/training?bucket=Scalping")
    box = page.locator(".u-over").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 50)
    with page.expect_response("**/api/runs/*/curves?*"):
        served.tell("training.run", made_up.running_view(served.ledger.now, 50))
    page.wait_for_timeout(300)  # it is drawn after it has come
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 50)
    page.mouse.up()
    page.wait_for_url("**x0=*")
    end = page.evaluate("() => new URLSearchParams(location.search).get('x1')")
    assert float(end) == pytest.approx(0.7 * made_up.EPISODES, abs=3)


def test_one_cursor_runs_through_all_charts_and_other_tabs(stay: Visitor) -> None:
    page = stay.move(f"{DONE}&bucket=Short")
    box = page.locator(".u-over").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 20)
    words = page.locator(".legend").nth(3).locator("span").first
    expect(words).to_contain_text("episode")
    assert words.inner_text() == page.locator(".legend").first.locator("span").first.inner_text()
    other = page.context.new_page()
    other.goto(stay.url + f"{DONE}&bucket=Short")
    ready(other)
    page.bring_to_front()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 20)
    expect(other.locator(".pin").first).to_be_visible()


def test_smoothing_and_log_scale(stay: Visitor) -> None:
    page = stay.move(f"{DONE}&bucket=Scalping&smooth=0&metrics=loss")
    exact = made_up.metrics("Scalping", "main", made_up.EPISODES)["loss"]
    value = page.locator(".legend b").first
    assert float(value.inner_text()) == pytest.approx(exact, rel=1e-3)
    page.locator("#smooth").focus()
    page.keyboard.press("End")
    page.wait_for_url("**smooth=0.99*")
    assert float(value.inner_text()) > 1.5 * exact  # nearly the mean of a falling curve
    page.get_by_label("Log scale").check()
    page.wait_for_url("**log=1*")
    stay.ready()
    assert float(value.inner_text()) > 1.5 * exact


def test_runs_are_found_among_many_and_laid_over(stay: Visitor, many: None) -> None:
    page = stay.move("/training?bucket=Scalping")
    page.get_by_role("button", name="Compare runs …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("li")).to_have_count(100)
    assert stay.faults() == []
    dialog.get_by_role("button", name="Show more").click()
    expect(dialog.locator("li")).to_have_count(200)
    dialog.get_by_role("searchbox").fill("many0240")
    expect(dialog.locator("li")).to_have_count(1)
    dialog.get_by_role("searchbox").fill(made_up.DONE)
    dialog.get_by_role("checkbox").check()
    dialog.get_by_role("button", name="Close").click()
    assert f"runs={made_up.DONE}" in page.url
    expect(page.locator(".legend").first).to_contain_text(made_up.DONE)
    page.get_by_title("Compare with it no longer").click()
    expect(page.locator(".legend").first).not_to_contain_text(made_up.DONE)


@pytest.fixture
def many(served: Served) -> Iterator[None]:
    made_up.write(served.config, made_up.many(served.ledger, 250))
    yield


def test_what_a_run_says_is_text(stay: Visitor) -> None:
    page = stay.move(f"/training?run={made_up.FAILED}")
    expect(page.locator(".note").first).to_contain_text("<b>loss</b> is not finite")
    assert page.locator("main b", has_text="loss").count() == 0
    stay.move("/training?run=<script>")
    expect(page.locator("main")).to_contain_text("There is no run <script>")
    stay.move("/board?run=<script>")
    expect(page.locator("main")).to_contain_text("There is no run <script>")
    stay.wrong.clear()  # the browser notes a 404


def test_a_bucket_or_run_of_the_address_that_is_not_there_is_said(stay: Visitor) -> None:
    page = stay.move(f"{DONE}&bucket=Shrt&runs=nope,{made_up.FAILED}")
    expect(page.locator(".note").first).to_have_text(
        f"Run {made_up.DONE} has no bucket Shrt; Long is shown."
    )
    chips = page.get_by_title("Compare with it no longer")
    expect(chips).to_contain_text(["nope there is no such run", "has no such bucket"])
    page.get_by_role("button", name="Scalping", exact=True).click()
    expect(page.locator(".note", has_text="has no bucket")).to_have_count(0)
    stay.wrong.clear()  # the browser notes a 404


def test_a_run_that_the_history_hears_of_late_is_shown_then(stay: Visitor, served: Served) -> None:
    page = stay.move("/training?run=late22")
    expect(page.locator("main")).to_contain_text("There is no run late22")
    served.tell("training.run", run_view(step_view(), run="late22", created=1.0))
    expect(page.locator("main")).to_contain_text("Run late22")
    stay.wrong.clear()  # the browser notes a 404
