"""What the addresses answer, over a history that its writer wrote."""

import gzip
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from starlette.testclient import TestClient

from btc_ai.bus.client import RemoteError
from btc_ai.config import Config
from btc_ai.dashboard.routes.system import suggested_batch
from btc_ai.dashboard.static import FOLDER
from btc_ai.dashboard.verdicts import is_drifting
from btc_ai.history.answers import Series
from btc_ai.history.unrecorded import NOTE, UNREAD
from btc_ai.lock import Lock
from btc_ai.paths import history_file, models_lock_file
from tests.dashboard.conftest import EPISODES, RUN, Daemon

Body = dict[str, Any]


def get(client: TestClient, path: str, status: int = 200) -> Body:
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    found: Body = answer.json()
    return found


def test_hello_says_what_there_is(client: TestClient, root: Path) -> None:
    hello = get(client, "/api/hello")
    assert (hello["mode"], hello["history"]) == ("folder", {"ok": True, "text": ""})
    assert hello["models_dir"] == str(root / "Models")
    assert hello["sequence"] == ["Scalping", "Short", "Medium", "Long"]
    assert hello["buckets"][1]["max_horizon"] == 144 and "cfq" in hello["learners"]
    assert (hello["update_interval"], hello["link"]["connected"]) == (5.0, False)


def test_the_overview_has_every_bucket_its_verdict_and_what_stands(client: TestClient) -> None:
    seen = get(client, "/api/overview")
    assert seen["run"]["run"] == RUN and seen["problems"] == []
    said = {one["bucket"]: (one["level"], one["verdict"]) for one in seen["buckets"]}
    assert list(said) == ["Scalping", "Short", "Medium", "Long"]
    assert said["Scalping"] == ("good", "+0.50 bps a bar on the held-out test, buy and hold +0.20")
    assert said["Short"] == ("neutral", "in training")
    assert said["Long"] == ("neutral", "not trained yet")
    assert seen["buckets"][0]["spark"] == [n / 10 for n in range(1, EPISODES + 1)]
    assert [(one["text"], one["level"]) for one in seen["alerts"]] == [
        ("memory of host", "warning"), (f"run {RUN}: diverged lately", "bad"),
        (f"run {RUN}: the twin from scratch of diverged then", "warning"),
        ("memory of gpu.0", "bad"),
    ]  # fmt: skip
    assert [one["name"] for one in seen["models"]] == [RUN]


def test_what_a_daemon_left_is_interrupted(client: TestClient, root: Path) -> None:
    Lock(models_lock_file(root / "Models"), "it").release()
    left = get(client, "/api/overview")["buckets"][1]
    assert left["verdict"] == "interrupted; it goes on when the daemon starts"
    assert (left["level"], left["row"]["detail"]["metrics"]["reward"]) == ("warning", 0.4)


@pytest.mark.parametrize(("factor", "drifts"), [(-0.02, True), (0.02, False)])
def test_winning_more_often_and_earning_less_is_an_alert(factor: float, drifts: bool) -> None:
    win_rate = [0.4 + n / 200 for n in range(40)]
    assert is_drifting(win_rate, [2 + factor * n for n in range(40)]) is drifts
    assert not is_drifting(win_rate[:10], [2 - n for n in range(10)])


def test_runs_and_one_run(client: TestClient) -> None:
    assert [one["run"] for one in get(client, "/api/runs?bucket=Short")["runs"]] == [RUN]
    assert get(client, "/api/runs?bucket=Long") == {"runs": [], "more": False}
    run = get(client, "/api/runs/latest")
    assert run["metric_names"] == ["loss", "reward"] and len(run["config_sha256"]) == 64
    assert run["data"]["start"] == 0.0 and run["data"]["end"] == 100.0
    assert run["data"]["bars"] == 5000
    assert get(client, "/api/runs/nope", 404)["error"]["code"] == "unknown_run"
    assert "limit" in get(client, "/api/runs?limit=0", 400)["error"]["fields"]
    assert "hue" in get(client, "/api/runs?hue=red", 400)["error"]["fields"]


def test_curves_come_in_few_bytes(client: TestClient) -> None:
    seen = get(client, f"/api/runs/{RUN}/curves?names=reward,loss")
    loss, reward = seen["curves"]
    assert reward == {
        "name": "reward", "arm": "main", "whole": True, "episode": None, "first": 1, "step": 1,
        "mean": [n / 10 for n in range(1, EPISODES + 1)], "low": None, "high": None,
    }  # fmt: skip
    assert loss["mean"][2] == 0.333333
    assert [episode for episode, _ in seen["times"]] == list(range(1, EPISODES + 1))
    assert seen["baselines"]["reward"] == [
        {"name": "staying flat", "value": 0.0}, {"name": "buy and hold", "value": 0.2},
    ]  # fmt: skip
    coarse = get(client, f"/api/runs/{RUN}/curves?points=10&names=reward")["curves"][0]
    assert not coarse["whole"] and len(coarse["mean"]) == len(coarse["low"]) == 10
    assert get(client, f"/api/runs/{RUN}/curves?position=7", 404)["error"]["code"] == "not_found"


def test_curves_are_downloaded_whole_with_what_they_are_of(client: TestClient) -> None:
    answer = client.get(f"/api/runs/{RUN}/curves.csv?names=reward,loss&first=2&points=2")
    lines = answer.text.splitlines()
    assert lines[:2] == [f"# run: {RUN}", "# bucket: Scalping"]
    assert (
        lines[2].startswith("# config_sha256: ") and '"end":"1970-01-01T00:01:40.000Z"' in lines[3]
    )
    assert lines[5:7] == ["episode,loss,reward_bps_per_bar", "2,0.5,0.2"]
    assert len(lines) == 5 + EPISODES
    assert f"{RUN}-Scalping.csv" in answer.headers["Content-Disposition"]
    whole = get(client, f"/api/runs/{RUN}/curves.json?names=loss")
    assert whole["curves"][0]["mean"][2] == 1 / 3 and whole["bucket"] == "Scalping"


def test_features_transfers_system_and_events(client: TestClient) -> None:
    (bucket,) = get(client, f"/api/runs/{RUN}/features")["buckets"]
    assert [one["name"] for one in bucket["features"]] == ["price", "rsi"]
    assert bucket["features"][0] == {"name": "price", "mean": 0.4, "low": 0.2, "high": 0.6}
    (transfer,) = get(client, "/api/transfers")["transfers"]
    assert (transfer["decision"], transfer["low"]) == ("kept", 0.1)
    assert get(client, f"/api/transfers/{transfer['transfer']}") == transfer
    assert get(client, "/api/transfers/nope", 404)["error"]["code"] == "not_found"
    system = get(client, "/api/system")
    assert (system["series"], system["gpu_state"]) == ([], None)
    kinds = [one["kind"] for one in get(client, "/api/events?limit=3")["events"]]
    assert kinds == ["plugin.state", "monitoring.alert", "monitoring.alert"]
    page = get(client, "/api/events?kind=training.run&limit=1")
    assert page["events"][0]["run"] == RUN and not page["more"]


@pytest.mark.parametrize(
    ("most", "said"),
    [(0.1, "BATCH_SIZE 128 should fit"), (0.5, "BATCH_SIZE 32 is right"), (0.7, "halve")],
)
def test_a_batch_is_suggested_that_stays_in_the_zone(most: float, said: str) -> None:
    memory = Series("gpu.0.memory", [1.0], [most], [most], [most])
    assert said in (suggested_batch([memory], Config()) or "")
    assert suggested_batch([], Config()) is None


def test_a_thousand_runs_are_shown_in_pages(client: TestClient, root: Path) -> None:
    engine = create_engine(f"sqlite:///{history_file(root / 'Models')}")
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO runs SELECT 'r' || value, 'queued', NULL, 2000 + value, 0, 'BTC/USDT',"
                " '5m', 0, 0, 1 FROM (WITH RECURSIVE n(value) AS (SELECT 0 UNION ALL SELECT value"
                " + 1 FROM n WHERE value < 999) SELECT value FROM n)"
            )
        )
    engine.dispose()
    page = get(client, "/api/runs?limit=200&offset=800")
    assert len(page["runs"]) == 200 and page["more"]
    assert get(client, "/api/runs?limit=200&offset=900")["runs"][-1]["run"] == RUN
    seen = get(client, "/api/overview")
    assert seen["run"]["run"] == "r999" and seen["queued"] == 1000
    assert seen["buckets"][0]["run"] == RUN, "found beyond the newest runs"


def test_a_run_that_was_stopped_hides_no_model(client: TestClient, root: Path) -> None:
    with closing(sqlite3.connect(history_file(root / "Models"))) as writer, writer:
        writer.execute("UPDATE runs SET state = 'stopped'")
        for table, key in (("runs", "run"), ("buckets", "id")):
            columns = [row[1] for row in writer.execute(f"PRAGMA table_info({table})")]
            new = {"run": "'new234'", "created": "created + 1", "id": "id + 9",
                   "state": "'stopped'", "episode": "0"}  # fmt: skip
            chosen = ", ".join(new.get(one, f'"{one}"') for one in columns)
            writer.execute(f"INSERT INTO {table} SELECT {chosen} FROM {table} WHERE {key} = {key}")
    seen = get(client, "/api/overview")
    assert seen["run"]["run"] == "new234"
    assert [one["run"] for one in seen["buckets"][:2]] == [RUN, "new234"]
    assert seen["buckets"][0]["verdict"].startswith("+0.50 bps a bar")


def test_answers_are_packed_where_that_pays(client: TestClient) -> None:
    plain = client.get("/api/overview", headers={"Accept-Encoding": "identity"})
    packed = client.get("/api/overview", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip" and plain.json() == packed.json()
    assert "Content-Encoding" not in plain.headers and plain.headers["Cache-Control"] == "no-store"


def test_pages_are_sent_once(client: TestClient) -> None:
    first = client.get("/static/index.html", headers={"Accept-Encoding": "gzip"})
    assert first.text == (FOLDER / "index.html").read_text() == client.get("/logs?x=1").text
    tag = {"If-None-Match": first.headers["ETag"]}
    again = client.get("/training", headers=tag)
    assert (again.status_code, again.content) == (304, b"")
    for outside in ("../app.py", "..%2fapp.py", "%2e%2e/app.py", "nope", "", "/etc/passwd", "%00"):
        assert client.get(f"/static/{outside}").status_code == 404, outside


def test_commands_are_those_of_the_list_and_the_daemon_has_the_last_word(daemon: Daemon) -> None:
    def refuse(body: Body) -> Body:
        raise RemoteError("training", "there is nothing to interrupt")

    daemon.context.answers |= {
        "training.start": lambda body: {"got": body},
        "training.stop": refuse,
    }
    post = daemon.client.post
    done = post("/api/commands", json={"kind": "training.start", "body": {"bucket": "Short"}})
    assert done.json() == {"result": {"got": {"bucket": "Short"}}}
    refused = post("/api/commands", json={"kind": "training.stop"})
    assert refused.status_code == 502
    assert refused.json()["error"] == {
        "code": "training", "message": "there is nothing to interrupt",
    }  # fmt: skip
    for kind in ("daemon.stop", "daemon.reload", "plugins.x", "training.runs", ""):
        assert post("/api/commands", json={"kind": kind}).status_code == 400
    for body in (b"{", b"[]", b"", b"[" * 100_000, b'{"kind": "training.stop", "more": 1}'):
        assert post("/api/commands", content=body).status_code == 400
    assert post("/api/commands", content=b" " * (300 << 10)).status_code == 400
    large = post("/api/commands", json={"kind": "training.start", "body": {"seed": 10**20}})
    assert large.status_code == 400 and "2⁶⁴" in large.json()["error"]["message"]
    own = post("/api/commands", json={"kind": "daemon.disable", "body": {"plugin": "dashboard"}})
    assert own.status_code == 400 and "btc-ai plugins disable" in own.json()["error"]["message"]
    sent = [kind for kind, _ in daemon.context.sent if kind != "monitoring.status"]
    assert sent == ["training.runs", "training.start", "training.stop"]


def test_without_a_daemon_commands_say_so(client: TestClient) -> None:
    answer = client.post("/api/commands", json={"kind": "training.start"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_daemon")
    assert get(client, "/api/plugins") == {"plugins": []}


def test_panels_are_filled_by_the_commands_that_plugins_named(daemon: Daemon) -> None:
    panel = {"name": "greetings", "title": "Greetings", "command": "hello.list", "kind": "table",
             "arguments": {"limit": 3}, "every_s": 5.0}  # fmt: skip
    plugins = [{"name": "hello"}, {"name": "training"}]
    daemon.context.answers |= {
        "daemon.status": lambda body: {"plugins": plugins},
        "daemon.plugin": lambda body: {"panels": [panel]},
        "hello.list": lambda body: {"rows": [body]},
    }
    hello = get(daemon.client, "/api/hello")
    assert hello["panels"] == [{**panel, "plugin": "hello"}] and hello["mode"] == "daemon"
    assert get(daemon.client, "/api/panels/hello/greetings") == {"rows": [{"limit": 3}]}
    assert get(daemon.client, "/api/panels/hello/nope", 404)["error"]["code"] == "not_found"
    assert get(daemon.client, "/api/plugins")["plugins"] == plugins


def test_that_training_is_disabled_stands_on_the_overview(daemon: Daemon) -> None:
    row = {"name": "training", "state": "ready"}
    daemon.context.answers["daemon.status"] = lambda body: {"plugins": [row]}
    assert get(daemon.client, "/api/overview")["problems"] == []
    row["state"] = "disabled"
    assert "training is disabled" in get(daemon.client, "/api/overview")["problems"][0]


def test_a_history_that_comes_and_goes_is_noticed(client: TestClient, root: Path) -> None:
    history = history_file(root / "Models")
    away = root / "away"
    assert get(client, "/api/runs")["runs"]
    history.rename(away)
    assert [one["state"] for one in get(client, "/api/runs")["runs"]] == ["done"]
    assert get(client, "/api/hello")["history"] == {"ok": True, "text": NOTE}
    history.write_bytes(b"")
    assert get(client, "/api/hello")["history"]["text"] == NOTE, "it is being made"
    with closing(sqlite3.connect(history)) as other:
        other.execute("CREATE TABLE letters (text)")
    assert [one["state"] for one in get(client, "/api/runs")["runs"]] == ["done"]
    said = get(client, "/api/hello")["history"]
    assert not said["ok"] and "another program's" in said["text"]
    history.write_text("a letter" * 1000)
    seen = get(client, "/api/overview")
    assert "not a database" in seen["problems"][0] and seen["note"] == UNREAD
    away.rename(history)
    assert get(client, "/api/runs")["runs"]


def test_logs_are_paged_back_without_a_gap(client: TestClient, root: Path) -> None:
    logs = root / "Logs"
    logs.mkdir()
    now = time.strftime("%Y-%m-%d %H:%M", time.localtime(time.time() - 3600))
    lines = [
        f"{now}:{n // 7:02},000 - btc_ai.{'training' if n % 2 else 'daemon'} - INFO - <b>{n}</b>"
        for n in range(100)
    ]
    lines[50] += "\n\tTraceback:\n\tValueError: <script>"
    (logs / "btc_ai.log").write_text("\n".join(lines) + "\n")
    found: list[Body] = []
    page = get(client, "/api/logs?limit=9")
    while True:
        found = page["records"] + found
        if page["before"] is None:
            break
        page = get(client, f"/api/logs?limit=9&before={page['before']}")
    assert [one["text"] for one in found] == [f"<b>{n}</b>" for n in range(100)]
    assert found[50]["more"] == "Traceback:\nValueError: <script>"
    assert {"training", "error", "daemon"} <= set(page["sources"])
    only = get(client, "/api/logs?source=daemon&grep=B%3E9&limit=300")["records"]
    assert [one["text"] for one in only] == [f"<b>{n}</b>" for n in (90, 92, 94, 96, 98)]
    regular = get(client, "/api/logs?regex=1&grep=B%3E9[^02]%3C|^valueerr.r&limit=300")["records"]
    assert [one["text"] for one in regular] == [
        f"<b>{n}</b>" for n in (50, *range(91, 100)) if n != 92
    ]
    assert "unclosed" in get(client, "/api/logs?regex=1&grep=(", 400)["error"]["fields"]["grep"]
    assert get(client, "/api/logs?level=LOUD", 400)["error"]["fields"]["level"]
    assert get(client, "/api/logs?before=x", 400)
    assert get(client, "/api/logs?until=1")["records"] == []


def test_what_is_not_there_is_said_on_a_page_and_to_programs_in_json(client: TestClient) -> None:
    page = client.get("/").text
    for address in ("/nonsense", "/training/more", "/reports/none.html", "/apis"):
        answer = client.get(address)
        assert (answer.status_code, answer.text) == (404, page), address
    for address in ("/api/nonsense", "/static/none.js", "/api/runs/nope"):
        assert get(client, address, 404)["error"]["message"], address


def test_reports_are_made_in_a_process_and_leave_the_folder_alone(
    client: TestClient, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted((root / "Models").rglob("*"))
    asked = client.post("/api/reports", json={"run": "nope", "format": "json"}).json()["report"]
    end = time.monotonic() + 60
    while (state := get(client, f"/api/reports/{asked}"))["state"] == "working":
        assert time.monotonic() < end
        time.sleep(0.1)
    assert state["state"] == "failed" and "nope" in state["text"]
    assert sorted((root / "Models").rglob("*")) == before
    assert get(client, "/api/reports/0", 404) and client.get("/reports/x.html").status_code == 404


def test_a_report_that_is_there_can_do_nothing(daemon: Daemon) -> None:
    folder = daemon.dashboard.parts.reports.folder
    folder.mkdir(parents=True)
    (folder / f"{RUN}.html").write_text("<script>alert(1)</script>")
    (folder / "..html").write_text("hidden")
    (found,) = get(daemon.client, "/api/reports")["reports"]
    assert (found["run"], found["url"]) == (RUN, f"/reports/{RUN}.html")
    answer = daemon.client.get(found["url"])
    assert answer.text == "<script>alert(1)</script>"
    policy = answer.headers["Content-Security-Policy"]
    assert "sandbox" in policy and "script-src" not in policy and "default-src 'none'" in policy


def test_what_is_no_number_is_null(client: TestClient) -> None:
    from btc_ai.dashboard.encoding import encode

    text_ = encode({"a": float("nan"), "b": [float("inf"), 1.5], "c": "NaN"})
    assert json.loads(text_) == {"a": None, "b": [None, 1.5], "c": "NaN"}
    assert gzip.decompress(gzip.compress(text_.encode())) == text_.encode()
