from typing import Any

from btc_ai_notify.news import MAX_TEXT, REMEMBERED, News, Watch

from btc_ai.api.messages import Heard

Body = dict[str, Any]


def heard(kind: str, body: Body) -> Heard:
    return Heard(kind, body, kind.partition(".")[0], None, 1, 1700000000.0)


def run(state: str, name: str = "abc", error: str | None = None, **outcome: Any) -> Heard:
    step = {"bucket": "Short", "state": state, "episode": 7, "outcome": outcome or None}
    body = {
        "run": name, "state": state, "symbol": "BTC/USDT", "interval": "5m", "synthetic": False,
        "error": error, "steps": [step],
    }  # fmt: skip
    return heard("training.run", body)


def told(watch: Watch, *events: Heard) -> list[News]:
    return [news for event in events if (news := watch.hear(event)) is not None]


def test_the_end_of_a_run_is_told_once() -> None:
    outcome: Body = {
        "evaluation": {"model": {"total_return": 0.0123}},
        "validation": {"abstains": True},
    }
    done = run("done", **outcome)
    [news] = told(Watch(), run("queued"), run("running"), run("running"), done, done)
    assert (news.topic, news.title) == ("run_done", "run abc is done")
    assert news.text == (
        "BTC/USDT 5m\nShort: done, 7 episodes, +1.23% net on the held-out part, abstains"
    )
    assert news.data["buckets"][0]["total_return"] == 0.0123


def test_a_run_that_is_taken_up_again_is_told_again() -> None:
    watch = Watch()
    events = (run("failed", error="disk full"), run("running"), run("failed", error="disk full"))
    assert [one.topic for one in told(watch, *events)] == ["run_failed", "run_failed"]
    [stopped] = told(watch, run("stopped", name="other"))
    assert stopped.topic == "run_stopped" and stopped.text.endswith("Short: stopped, 7 episodes")


def test_only_a_transfer_that_was_rolled_back() -> None:
    body = {
        "transfer": "abc-1", "run": "abc", "position": 1, "bucket": "Medium", "decision": "kept",
        "reason": "harmed", "difference": -0.5, "low": -0.9, "high": -0.1, "share": 0.5,
    }  # fmt: skip
    events = [
        heard("transfer.verdict", body | {"transfer": name, "decision": decision})
        for name, decision in (("a", "kept"), ("b", None), ("c", "rolled_back"))
    ]
    [news] = told(Watch(), *events, events[-1])
    assert (news.topic, news.title) == ("rollback", "the transfer to Medium was rolled back")
    assert "-0.500 bps a bar" in news.text and news.text.endswith("harmed")
    bare = body | {"decision": "rolled_back", "difference": None, "reason": None}
    assert told(Watch(), heard("transfer.verdict", bare))[0].text == "run abc"


def test_plugins_that_fail() -> None:
    states = ("starting", "ready", "stalled", "restarting", "failed", "failed", "ready", "broken")
    events = [
        heard("plugin.state", {"name": "mine", "state": one, "detail": "why"}) for one in states
    ]
    assert [one.title for one in told(Watch(), *events)] == [
        "the plugin mine is failed", "the plugin mine is broken",
    ]  # fmt: skip


def test_any_update_is_told() -> None:
    body = {"version": "0.2.0", "text": "from 0.1.0", "size": 5}
    [news] = told(Watch(), heard("update.installed", body))
    assert (news.topic, news.title, news.text) == (
        "update", "update: installed", "0.2.0\nfrom 0.1.0",
    )  # fmt: skip
    assert news.data == {"kind": "update.installed", **body}


def test_long_texts_are_cut_and_titles_are_one_line() -> None:
    [news] = told(Watch(), run("failed", name="a\nb", error="x" * 5000))
    assert len(news.text) == MAX_TEXT and news.title == "run a b is failed"


def test_what_is_remembered_is_bounded() -> None:
    watch = Watch()
    for number in range(REMEMBERED + 1):
        watch.hear(run("done", name=str(number)))
    assert told(watch, run("done", name=str(REMEMBERED))) == []
    assert len(told(watch, run("done", name="0"))) == 1
