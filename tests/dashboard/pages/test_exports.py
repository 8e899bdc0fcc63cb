"""What each page hands out as CSV, JSON and PNG, and that it says so where it hands out nothing."""

import csv
import io
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.dashboard.pages import made_up
from tests.dashboard.pages.conftest import Served, Visitor
from tests.dashboard.pages.test_logs import line
from tests.history.conftest import run_view, step_view

PAGES = {
    "overview": "/overview",
    "training": f"/training?run={made_up.DONE}&bucket=Short&metrics=reward",
    "transfers": "/transfer",
    "transfer": f"/transfer?id={made_up.DONE}-2",
    "system": "/system",
    "logs": "/logs",
    "board": f"/board?run={made_up.RUNNING}",
}
TIMES = ("time", "started", "ended")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
LEAST_SHADES = 60
"""An empty card of two colours and its soft edges have fewer."""


@pytest.fixture(autouse=True)
def log(served: Served) -> Iterator[None]:
    """A log of an error, that a spreadsheet could take for a formula."""
    served.config.LOG_DIR.mkdir(exist_ok=True)
    file = served.config.LOG_DIR / "btc_ai.log"
    file.write_text(line(time.time() - 9, "INFO", "begun") + line(time.time(), "ERROR", "=1+1"))
    yield
    file.unlink()


def export(page: Page, form: str) -> Path:
    """The first file that the menu Export hands out."""
    page.locator(".controls summary", has_text="Export").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name=form, exact=True).click()
    path = Path(waiting.value.path())
    assert waiting.value.suggested_filename.endswith(f".{form.lower()}")
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV, below its head; what all of them promise is checked."""
    lines = [one for one in path.read_text().splitlines(True) if not one.startswith("#")]
    rows = list(csv.DictReader(io.StringIO("".join(lines))))
    assert rows and all(re.fullmatch("[a-z][a-z0-9_]*", name) for name in rows[0])
    for row in rows:
        assert None not in row and None not in row.values()
        assert all(TIME.fullmatch(row[name]) for name in TIMES if row.get(name)), row
    return rows


def check_picture(path: Path, *, dark: bool) -> None:
    """It is large, has something on it, and is of the theme."""
    with Image.open(path) as image:
        assert image.width > 1000 and image.height > 200
        counts = image.convert("L").histogram()
    assert sum(map(bool, counts)) > LEAST_SHADES and max(counts) < 0.97 * sum(counts)
    background = counts.index(max(counts))
    assert background < 60 if dark else background > 200


@pytest.mark.parametrize("name", PAGES)
def test_each_page_is_exported_in_each_form(stay: Visitor, name: str) -> None:
    page = stay.move(PAGES[name])
    rows_of(export(page, "CSV"))
    assert json.loads(export(page, "JSON").read_text())
    check_picture(export(page, "PNG"), dark=False)
    assert page.locator("[data-picture], .caption").count() == 0


def test_a_picture_is_of_the_theme(stay: Visitor) -> None:
    page = stay.move(PAGES["board"])
    stay.theme("dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    check_picture(export(page, "PNG"), dark=True)


def test_curves_carry_the_configuration_and_the_range(stay: Visitor) -> None:
    page = stay.move(PAGES["training"])
    path = export(page, "CSV")
    head = dict(one[2:].split(": ", 1) for one in path.read_text().splitlines() if one[0] == "#")
    assert re.fullmatch("[0-9a-f]{64}", head["config_sha256"]) and head["run"] == made_up.DONE
    assert json.loads(head["data"])["start"] == "2023-01-01T00:00:00.000Z"
    rows = rows_of(path)
    assert len(rows) == made_up.EPISODES
    for column, arm in (("reward_bps_per_bar", "main"), ("scratch_reward_bps_per_bar", "scratch")):
        assert float(rows[9][column]) == made_up.metrics("Short", arm, 10)["reward"]
    made = json.loads(export(page, "JSON").read_text())
    assert made["config_sha256"] == head["config_sha256"] and made["bucket"] == "Short"
    handed = json.loads(export(stay.move(PAGES["transfer"]), "JSON").read_text())
    assert handed["config_sha256"] == head["config_sha256"]  # all have the same settings
    assert handed["data"]["bars"] == 105_120


def test_tables_have_what_the_page_shows(stay: Visitor) -> None:
    buckets = {row["bucket"]: row for row in rows_of(export(stay.move("/overview"), "CSV"))}
    assert list(buckets) == list(made_up.BUCKETS) and buckets["Short"]["episode"] == "50"
    last = made_up.metrics("Scalping", "main", made_up.EPISODES)["win_rate"]
    assert float(buckets["Scalping"]["win_rate"]) == last
    transfers = rows_of(export(stay.move("/transfer"), "CSV"))
    assert {row["decision"] for row in transfers} == {"kept", "rolled_back", ""}
    assert {row["kinds"] for row in transfers} == {"weights features horizons"}
    assert {row["difference_bps_per_bar"] for row in transfers} == {"0.14", "-0.21", ""}
    system = rows_of(export(stay.move("/system"), "CSV"))
    units = {row["series"]: row["unit"] for row in system}
    assert units["gpu.0.temperature_c"] == "celsius" and units["host.cpu"] == "share"
    assert units[f"process.worker.training.{made_up.RUNNING}.cpu"] == "cores"
    assert "" not in units.values()
    assert all(row["low"] <= row["high"] for row in system if row["series"] == "host.cpu")
    logs = rows_of(export(stay.move("/logs"), "CSV"))
    assert [(row["level"], row["text"]) for row in logs] == [("INFO", "begun"), ("ERROR", "'=1+1")]
    settings = {row["key"]: row for row in rows_of(export(stay.move("/settings"), "CSV"))}
    assert settings["MODELS_DIR"]["is_default"] == "true"
    assert settings["LOG_DIR"]["is_default"] == "false"
    assert settings["BUCKET_CONFIGS.Short.FEATURES"]["value"].startswith("price volume macd")


def test_what_a_page_does_not_have_is_disabled_and_says_why(stay: Visitor) -> None:
    def refused(address: str) -> dict[str, str | None]:
        page = stay.move(address)
        page.locator(".controls summary", has_text="Export").click()
        items = page.locator(".controls .menu button:disabled")
        return {one.inner_text(): one.get_attribute("title") for one in items.all()}

    assert refused("/settings") == {
        "PNG": "Settings are a form; CSV and JSON have what stands in it"
    }
    assert set(refused("/help")) == {"CSV", "JSON", "PNG"}
    assert refused("/overview") == {}


def test_a_run_without_episodes_has_nothing_to_export_and_says_so(
    served: Served, stay: Visitor
) -> None:
    served.tell("training.run", run_view(step_view(), run="none22", created=1.0))
    for address in ("/training?run=none22", "/board?run=none22"):
        page = stay.move(address)
        expect(page.get_by_role("main")).to_contain_text("none22")
        for form in ("CSV", "JSON"):
            page.locator(".controls summary", has_text="Export").click()
            page.get_by_role("button", name=form, exact=True).click()
            toast = page.locator(".toast")
            expect(toast).to_have_text(re.compile("Nothing to export: .*no episode"))
            toast.evaluate("one => one.remove()")
