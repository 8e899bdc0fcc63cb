"""The logs, in a browser."""

import re
import time
from collections.abc import Iterator
from datetime import datetime

import pytest
from playwright.sync_api import Page, Route, expect

from tests.dashboard.pages.conftest import Served, Visitor

LINES = 10_000
HTML = "<b>loss</b> <img src=x onerror=alert(1)>"
TRACE = "\tTraceback (most recent call last):\n\tValueError: no such candle\n"


def line(moment: float, level: str, text: str) -> str:
    """As the default LOG_FORMAT has it."""
    stamp = datetime.fromtimestamp(moment)
    clock = f"{stamp:%Y-%m-%d %H:%M:%S},{stamp.microsecond // 1000:03d}"
    return f"{clock} - btc_ai.daemon - {level} - {text}\n"


@pytest.fixture(scope="module", autouse=True)
def log(served: Served) -> Iterator[None]:
    """A long log, with an error each 500 lines."""
    served.config.LOG_DIR.mkdir(exist_ok=True)
    begun = time.time() - LINES
    with (served.config.LOG_DIR / "btc_ai.log").open("w") as file:
        for number in range(LINES):
            failed = number % 500 == 499
            text = f"line {number}" if number != LINES - 2 else HTML
            file.write(line(begun + number, "ERROR" if failed else "INFO", text) + TRACE * failed)
    yield
    (served.config.LOG_DIR / "btc_ai.log").unlink()


def write(served: Served, *texts: str) -> None:
    """Have these logged now."""
    with (served.config.LOG_DIR / "btc_ai.log").open("a") as file:
        file.writelines(line(time.time(), "WARNING", text) for text in texts)


def rows(page: Page) -> list[str]:
    """The lines that are drawn."""
    return page.locator(".log > .text").all_inner_texts()


def at_end(page: Page) -> bool:
    """Whether the newest line is seen."""
    return bool(
        page.locator(".loglist").evaluate(
            "one => one.scrollTop + one.clientHeight >= one.scrollHeight - 6"
        )
    )


def test_a_line_appears_within_a_second_and_the_list_stands_still_when_paused(
    served: Served, stay: Visitor
) -> None:
    page = stay.move("/logs")
    assert at_end(page)
    write(served, "first live line")
    expect(page.locator(".log", has_text="first live line")).to_be_visible(timeout=1000)
    page.get_by_role("button", name="Pause").click()
    top = page.locator(".loglist").evaluate("one => one.scrollTop")
    write(served, "one", "two", "three")
    expect(page.locator(".newer")).to_have_text("↓ 3 new lines", timeout=1000)
    assert page.locator(".loglist").evaluate("one => one.scrollTop") == top
    page.locator(".newer").click()
    expect(page.locator(".log", has_text="three")).to_be_visible()
    assert at_end(page)


def test_markup_is_text(stay: Visitor) -> None:
    page = stay.move("/logs?grep=onerror")
    expect(page.locator(".log > .text").first).to_have_text(HTML)
    assert page.locator(".log b, .log img").count() == 0
    expect(page.locator(".log mark").first).to_have_text("onerror")


def test_scrolling_up_reads_back_in_time_and_draws_few_rows(stay: Visitor) -> None:
    page = stay.move("/logs")
    oldest = rows(page)[0]
    for pages in range(2, 6):
        page.locator(".loglist").evaluate("one => { one.scrollTop = 0 }")
        page.wait_for_function(
            "least => Number(document.querySelector('.loglist').ariaRowCount) >= least",
            arg=pages * 300,
        )
        assert page.locator(".log").count() < 120
    numbers = [int(one.removeprefix("line ")) for one in rows(page)]
    assert numbers == sorted(numbers) and numbers[-1] < int(oldest.removeprefix("line "))
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_filters_stand_in_the_address_and_a_traceback_folds_open(stay: Visitor) -> None:
    page = stay.move("/logs")
    page.get_by_label("Level").select_option("ERROR")
    stay.ready()
    page.reload()
    stay.ready()
    assert "level=ERROR" in page.url
    expect(page.locator(".loglist")).to_have_attribute("aria-rowcount", "20")
    page.locator(".log .fold").last.click()
    expect(page.locator(".log .whole").last).to_contain_text("ValueError: no such candle")
    page.get_by_label("Search").fill("LINE 4499")
    page.wait_for_url("**grep=LINE+4499")
    expect(page.locator(".loglist")).to_have_attribute("aria-rowcount", "1")
    page.get_by_label("Search").fill("nothing is like this")
    expect(page.locator(".loglist")).to_have_attribute(
        "data-empty", re.compile("Widen the filters")
    )


def test_the_search_may_be_a_regular_expression(served: Served, stay: Visitor) -> None:
    page = stay.move("/logs?grep=LINE+44[0-9]9%24")
    rows, wrong = page.locator(".loglist"), page.locator("#grep-wrong")
    expect(rows).to_have_attribute("data-empty", re.compile("Widen the filters"))
    page.get_by_role("button", name="Regular expression").click()
    page.wait_for_url("**&regex=1")
    expect(rows).to_have_attribute("aria-rowcount", "10")
    page.reload()
    stay.ready()
    expect(page.get_by_role("button", name="Regular expression")).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(page.locator(".log mark").first).to_have_text("line 4409")
    page.get_by_label("Search", exact=True).fill("live [")
    expect(wrong).to_contain_text("is no regular expression: unclosed character class")
    expect(page.locator(".logs .note")).to_have_count(0)
    stay.wrong.clear()  # the browser notes each refusal
    page.get_by_label("Search", exact=True).fill("^live [12]$|(a+)+$")
    expect(rows).to_have_attribute("aria-rowcount", "0")
    expect(wrong).to_be_empty()
    write(served, "live 1", "live 12", "live 2")
    expect(rows).to_have_attribute("aria-rowcount", "2")
    assert page.locator(".log mark").count() == 0  # a browser could take for ever


def test_what_is_fetched_and_told_stands_there_once_and_says_of_which_arm(
    served: Served, stay: Visitor
) -> None:
    text = "alike worker=training.rn2345.scratch run=rn2345 bucket=Short"

    def meanwhile(route: Route) -> None:
        time.sleep(0.1)  # the log is followed by now
        with (served.config.LOG_DIR / "btc_ai.log").open("a") as file:
            file.write(2 * line(time.time(), "INFO", text))
        route.continue_()

    page = stay.move("/help")
    page.route("**/api/logs?*", meanwhile, times=1)
    stay.move("/logs?t=soon&grep=alike")
    page.wait_for_timeout(600)  # what is told comes within 0.2 s
    expect(page.locator(".loglist")).to_have_attribute("aria-rowcount", "2")
    expect(page.locator(".log .of")).to_have_text(["Short · scratch"] * 2)
    write(served, text)
    expect(page.locator(".loglist")).to_have_attribute("aria-rowcount", "3")
    expect(page.locator(".logs .note")).to_have_count(0)


def test_a_chosen_line_is_the_cursor_of_charts_in_other_tabs(stay: Visitor) -> None:
    page, other = stay.move("/logs?level=ERROR"), stay.page.context.new_page()
    other.goto(f"{stay.url}/system")
    expect(other.locator(".u-over").first).to_be_visible()
    expect(other.locator(".chart .pin").first).to_be_hidden()
    page.locator(".log").nth(-3).locator(".text").click()
    page.wait_for_url("**/logs?level=ERROR&t=*")
    expect(other.locator(".chart .pin").first).to_be_visible()
    other.close()
    chosen = page.locator(".log[aria-selected=true] > .text").inner_text()
    page.reload()
    stay.ready()
    expect(page.locator(".log[aria-selected=true] > .text")).to_have_text(chosen)


def test_the_keyboard_suffices(stay: Visitor) -> None:
    page = stay.move("/logs?level=ERROR")
    page.locator(".loglist").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Space")
    expect(page.locator(".log[aria-expanded=true]")).to_have_attribute("aria-rowindex", "19")
    page.keyboard.press("Enter")
    page.wait_for_url("**&t=*")
    page.keyboard.press("/")
    expect(page.get_by_label("Search")).to_be_focused()
