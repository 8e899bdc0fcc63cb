"""What is worth telling, from the events on the bus."""

from dataclasses import dataclass, field
from typing import Any

from btc_ai.api.messages import Heard
from btc_ai_notify.settings import Topic

Body = dict[str, Any]

RUN_TOPICS: dict[str, Topic] = {
    "done": "run_done", "failed": "run_failed", "stopped": "run_stopped",
}  # fmt: skip
FAILED = ("broken", "failed", "refused")
REMEMBERED = 1000
MAX_TEXT = 1800


@dataclass(frozen=True)
class News:
    """A message. title: one line; text: for people; data: for programs; time: s since 1970, UTC."""

    topic: Topic
    title: str
    text: str
    time: float
    data: Body = field(default_factory=dict)


class Watch:
    """Tells what is new: an event that says what was known already is no news."""

    def __init__(self) -> None:
        """Nothing is known."""
        self._last: dict[str, str] = {}

    def hear(self, event: Heard) -> News | None:
        """The news in an event, None where there is none."""
        body = event.body
        if event.kind == "training.run":
            return self._run(body, event.time)
        if event.kind == "transfer.verdict":
            return self._verdict(body, event.time)
        if event.kind == "plugin.state":
            return self.plugin(body, event.time)
        return _update(event)

    def _is_new(self, what: str, state: str) -> bool:
        """Whether `what` was in another state before."""
        known = self._last.pop(what, None)
        self._last[what] = state
        if len(self._last) > REMEMBERED:
            del self._last[next(iter(self._last))]
        return known != state

    def _run(self, body: Body, time: float) -> News | None:
        run, state = body["run"], body["state"]
        if not self._is_new(f"run {run}", state) or state not in RUN_TOPICS:
            return None
        buckets = [_bucket(step) for step in body["steps"]]
        lines = [f"{body['symbol']} {body['interval']}" + " (synthetic)" * body["synthetic"]]
        lines += [_bucket_line(one) for one in buckets]
        if body["error"]:
            lines.append(body["error"])
        keys = ("run", "state", "symbol", "interval", "synthetic", "error")
        data = {**{key: body[key] for key in keys}, "buckets": buckets}
        return _news(RUN_TOPICS[state], f"run {run} is {state}", lines, time, data)

    def _verdict(self, body: Body, time: float) -> News | None:
        decision = str(body["decision"])
        if not self._is_new(f"transfer {body['transfer']}", decision):
            return None
        if decision != "rolled_back":
            return None
        lines = [f"run {body['run']}"]
        if body["difference"] is not None:
            lines.append(
                f"{body['difference']:+.3f} bps a bar against a twin from scratch "
                f"(95 %: {body['low']:+.3f} … {body['high']:+.3f})"
            )
        lines += [body["reason"]] if body["reason"] else []
        title = f"the transfer to {body['bucket']} was rolled back"
        return _news("rollback", title, lines, time, body)

    def plugin(self, body: Body, time: float) -> News | None:
        """The news in a plugin's state."""
        name, state = body["name"], body["state"]
        if not self._is_new(f"plugin {name}", state) or state not in FAILED:
            return None
        data = {key: body[key] for key in ("name", "state", "detail")}
        return _news("plugin_failed", f"the plugin {name} is {state}", [body["detail"]], time, data)


def _bucket(step: Body) -> Body:
    """What a message says of one bucket; total_return: a fraction, net, on the held-out part."""
    outcome = step["outcome"] or {}
    model = outcome.get("evaluation", {}).get("model", {})
    return {
        "bucket": step["bucket"],
        "state": step["state"],
        "episode": step["episode"],
        "total_return": model.get("total_return"),
        "abstains": outcome.get("validation", {}).get("abstains"),
    }


def _bucket_line(bucket: Body) -> str:
    line = f"{bucket['bucket']}: {bucket['state']}, {bucket['episode']} episodes"
    if bucket["total_return"] is not None:
        line += f", {bucket['total_return']:+.2%} net on the held-out part"
    return line + ", abstains" * bool(bucket["abstains"])


def _update(event: Heard) -> News | None:
    """An event `update.*`; its text is what it has of `version`, `text` and `detail`."""
    words = (event.body.get(key) for key in ("version", "state", "text", "detail"))
    lines = [str(word) for word in words if word]
    title = event.kind.replace(".", ": ", 1).replace("_", " ")
    return _news("update", title, lines, event.time, {"kind": event.kind, **event.body})


def _news(topic: Topic, title: str, lines: list[str], time: float, data: Body) -> News:
    text = "\n".join(line for line in lines if line)
    return News(topic, " ".join(title.split())[:200], text[:MAX_TEXT], time, data)
