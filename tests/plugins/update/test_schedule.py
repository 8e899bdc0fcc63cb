"""When the server is asked, and when something may be installed by itself; a clock passed in."""

import json
from datetime import datetime, time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_ai.config import UpdateSystem
from btc_ai.plugins.update.schedule import (
    DAY_S,
    JITTER,
    NOT_WITHIN_S,
    RETRY_AT_MOST_S,
    RETRY_S,
    STARTUP_S,
    Schedule,
)
from btc_ai.updates.auto import AGAIN_S, begins_anew, closed, hindrance, within
from btc_ai.updates.layout import Layout
from btc_ai.updates.order import AUTO, JOURNAL, ORDER, Order, Progress, outcome
from btc_ai.updates.slotctl import Controller

NOW = 1_800_000_000.0
ON, OFF = UpdateSystem(), UpdateSystem(CHECK_ON_STARTUP=False)
WEEK_S = 7 * DAY_S


def due(settings: UpdateSystem, last: float | None, draw: float = 0.5) -> float:
    """Seconds after the start at which a daemon that starts now asks."""
    return Schedule(NOW, draw).due(settings, last, NOW) - NOW


def test_at_the_start_but_not_at_each_of_many() -> None:
    assert due(ON, None) == due(ON, NOW - NOT_WITHIN_S - 1) == STARTUP_S
    assert due(ON, NOW - 60) == pytest.approx(WEEK_S * (1 + JITTER / 2) - 60)


def test_the_interval_goes_on_over_restarts() -> None:
    assert due(OFF, NOW - 2 * DAY_S, 0.0) == pytest.approx(5 * DAY_S)
    assert due(OFF, NOW - 30 * DAY_S) == STARTUP_S, "what is overdue is made up for"
    assert due(OFF, None, 0.5) == pytest.approx(STARTUP_S + NOT_WITHIN_S / 2)
    half = UpdateSystem(CHECK_ON_STARTUP=False, CHECK_INTERVAL_DAYS=0.5)
    assert due(half, NOW, 0.0) == pytest.approx(DAY_S / 2)


def test_a_clock_that_was_wrong_does_not_hold_it_up_for_years() -> None:
    assert due(ON, NOW + 1000 * DAY_S) == STARTUP_S


@given(st.floats(0, 1, exclude_max=True), st.floats(0.01, 90))
def test_jitter_is_a_tenth_of_the_interval(draw: float, days: float) -> None:
    settings = UpdateSystem(CHECK_ON_STARTUP=False, CHECK_INTERVAL_DAYS=days)
    wait = due(settings, NOW, draw)
    assert days * DAY_S - 1 <= wait <= max(days * DAY_S * (1 + JITTER) + 1, STARTUP_S)


def test_it_is_patient_with_a_server_that_does_not_answer() -> None:
    schedule, waits = Schedule(NOW, 0.0), []
    for _ in range(30):
        schedule.failed_at(NOW)
        waits.append(schedule.due(ON, None, NOW) - NOW)
    assert waits[:3] == [RETRY_S, 2 * RETRY_S, 4 * RETRY_S] and waits == sorted(waits)
    assert waits[-1] == RETRY_AT_MOST_S
    schedule.answered()
    assert schedule.due(ON, NOW, NOW) == NOW + WEEK_S


@pytest.mark.parametrize(
    ("window", "inside", "outside"),
    [
        ("02:00-05:00", ["02:00", "04:59:59"], ["01:59:59", "05:00", "14:00"]),
        ("22:30-04:00", ["22:30", "23:59", "00:00", "03:59"], ["04:00", "22:29", "12:00"]),
    ],
)
def test_a_window_may_pass_midnight(window: str, inside: list[str], outside: list[str]) -> None:
    assert all(within(window, time.fromisoformat(one)) for one in inside)
    assert not any(within(window, time.fromisoformat(one)) for one in outside)


def test_auto_update_needs_the_setting_and_the_window() -> None:
    night, noon = datetime(2026, 11, 1, 3), datetime(2026, 11, 1, 12)
    assert "AUTO_UPDATE is off" in closed(UpdateSystem(), night)
    assert "AUTO_UPDATE is off" in closed(UpdateSystem(AUTO_UPDATE=True, ENABLED=False), night)
    assert not closed(UpdateSystem(AUTO_UPDATE=True), noon)
    windowed = UpdateSystem(AUTO_UPDATE=True, WINDOW="02:00-05:00")
    assert not closed(windowed, night) and "WINDOW, 02:00-05:00" in closed(windowed, noon)


def test_what_failed_is_not_tried_again_by_itself(tmp_path: Path) -> None:
    layout, controller = Layout(tmp_path), Controller(tmp_path)
    for version in ("0.1.0", "0.2.0", "0.3.0"):
        (layout.releases / version).mkdir(parents=True)
    controller.flip("0.1.0")
    assert hindrance(layout, "0.2.0", NOW) == ""
    order = Order("0.2.0", "/run", None, by=AUTO)
    (layout.state / ORDER).write_text(json.dumps(vars(order)))
    assert "under way" in hindrance(layout, "0.2.0", NOW - 10**9)
    failed = Progress(order, "end", "the disk is full", NOW, "0.1.0", [], "failed")
    (layout.state / JOURNAL).write_bytes(failed.encode())
    assert "the disk is full" in hindrance(layout, "0.2.0", NOW + 60)
    assert hindrance(layout, "0.2.0", NOW + AGAIN_S + 1) == hindrance(layout, "0.3.0", NOW) == ""
    controller.begin("0.3.0")
    assert "under way" in hindrance(layout, "0.2.0", NOW + AGAIN_S + 1)
    controller.back("it crashed")
    assert "did not work here" in hindrance(layout, "0.3.0", NOW)


def test_what_somebody_went_back_from_stays_away(tmp_path: Path) -> None:
    layout, controller = Layout(tmp_path), Controller(tmp_path)
    for version in ("0.1.0", "0.2.0"):
        (layout.releases / version).mkdir(parents=True)
    controller.flip("0.1.0")
    controller.begin("0.2.0")
    controller.good()
    assert hindrance(layout, "0.2.0", NOW) == ""
    controller.flip("0.1.0")
    assert "went back from 0.2.0" in hindrance(layout, "0.2.0", NOW)
    assert hindrance(layout, "0.3.0", NOW) == ""
    controller.begin("0.2.0")
    controller.good()
    assert hindrance(layout, "0.2.0", NOW) == ""


def test_what_became_of_an_installation_whose_updater_died(tmp_path: Path) -> None:
    layout, controller = Layout(tmp_path), Controller(tmp_path)
    for version in ("0.1.0", "0.2.0"):
        (layout.releases / version).mkdir(parents=True)
    controller.flip("0.1.0")
    watching = Progress(Order("0.2.0", "/run", None), "watch", "", 0.0, "0.1.0", [])
    (layout.state / JOURNAL).write_bytes(watching.encode())
    assert outcome(layout) == watching
    controller.begin("0.2.0")
    assert outcome(layout) == watching
    controller.back("it crashed")
    found = outcome(layout)
    assert found is not None and found.outcome == "back" and "it crashed" in found.text
    controller.begin("0.2.0")
    controller.good()
    found = outcome(layout)
    assert found is not None and (found.outcome, found.text) == ("good", "0.2.0 is good")


def test_what_begins_anew_is_waited_for() -> None:
    workers = [
        {"name": "training.abc", "state": "running"}, {"name": "study.x", "state": "running"},
        {"name": "signal", "state": "idle"}, {"name": "evaluation.y", "state": "running"},
        {"name": "signal.history", "state": "stalled"},
    ]  # fmt: skip
    assert begins_anew(workers) == ["evaluation.y", "signal.history"]
