"""What `btc-ai top` knows: read once from the daemon, then kept up to date by events."""

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from btc_ai.bus.client import NoDaemonError
from btc_ai.errors import BusError

if TYPE_CHECKING:
    from btc_ai.bus.client import Client
    from btc_ai.bus.codec import Envelope

Body = dict[str, Any]

RUNS = 5
EPISODES = 60
"""How many of the newest a curve of text has."""
ALERTS = 5
ALERTING = ("monitoring.alert", "training.diverged")
TOPICS = ("training.", "monitoring.", "daemon.", "plugin.")


@dataclass
class Overview:
    """All of it. trouble: why nothing new comes; logs: the newest records from WARNING on."""

    status: Body | None = None
    runs: list[Body] = field(default_factory=list)
    sample: Body | None = None
    curves: dict[tuple[str, int], deque[Body]] = field(default_factory=dict)
    eta_s: dict[tuple[str, int], float] = field(default_factory=dict)
    alerts: deque[tuple[float, str, str]] = field(default_factory=lambda: deque(maxlen=ALERTS))
    logs: list[str] = field(default_factory=list)
    heard: float = 0.0
    trouble: str | None = None

    def load(self, client: "Client") -> None:
        """Ask for everything. Raises NoDaemonError where the daemon does not answer."""
        self.ask(client)
        self.runs = _optional(client, "training.runs", {"limit": RUNS}).get("runs", [])
        self.sample = _optional(client, "monitoring.status").get("sample")
        events = [
            event
            for kind in ALERTING
            for event in _optional(
                client, "monitoring.events", {"kind": kind, "limit": ALERTS}
            ).get("events", [])
        ]
        for event in sorted(events, key=lambda one: float(one["time"])):
            self._alert(event["time"], event["body"])
        for run in self.runs:
            for step in run["steps"]:
                if step["state"] in ("running", "done") and run is self.runs[0]:
                    self._read_curve(client, run["run"], step)
        self.heard, self.trouble = time.time(), None

    def ask(self, client: "Client") -> None:
        """Ask how the daemon is. Raises NoDaemonError where it does not answer."""
        self.status = client.call("daemon.status")

    def _read_curve(self, client: "Client", run: str, step: Body) -> None:
        after = max(0, step["episode"] - EPISODES)
        body = {"run": run, "position": step["position"], "after": after}
        rows = _optional(client, "training.history", body).get("rows", [])
        self.curves[run, step["position"]] = deque(rows, maxlen=EPISODES)

    def _curve(self, run: str, position: int) -> deque[Body]:
        return self.curves.setdefault((run, position), deque(maxlen=EPISODES))

    def hear(self, event: "Envelope") -> None:
        """Take in an event."""
        self.heard = time.time()
        body = event.body
        if event.kind == "training.run":
            self._run(body)
        elif event.kind == "training.progress":
            self._progress(body)
        elif event.kind == "monitoring.sample":
            self.sample = body
        elif event.kind in ALERTING:
            self._alert(event.time, body)

    def _run(self, view: Body) -> None:
        others = [one for one in self.runs if one["run"] != view["run"]]
        self.runs = sorted([view, *others], key=lambda one: -one["created"])[:RUNS]
        known = {one["run"] for one in self.runs}
        self.curves = {key: one for key, one in self.curves.items() if key[0] in known}

    def _progress(self, body: Body) -> None:
        key = (body["run"], body["position"])
        self._curve(*key).append(body["metrics"])
        self.eta_s[key] = body["eta_s"]
        for step in self._steps(*key):
            step |= {"episode": body["episode"], "metrics": body["metrics"]}

    def _steps(self, run: str, position: int) -> Iterable[Body]:
        of_run = [one for one in self.runs if one["run"] == run]
        return [step for one in of_run for step in one["steps"] if step["position"] == position]

    def _alert(self, moment: float, body: Body) -> None:
        level = str(body.get("level", "limit"))
        if (found := (moment, level, str(body["text"]))) not in self.alerts:
            self.alerts.append(found)

    def to_json(self) -> Body:
        """What is known, for programs."""
        return {
            "daemon": self.status,
            "runs": self.runs,
            "sample": self.sample,
            "eta_s": {f"{run}/{position}": left for (run, position), left in self.eta_s.items()},
            "alerts": [
                dict(zip(("time", "level", "text"), one, strict=True)) for one in self.alerts
            ],
            "logs": self.logs,
        }


def _optional(client: "Client", kind: str, body: Body | None = None) -> Body:
    """An answer, or nothing where the plugin that would give it is not there."""
    try:
        return client.call(kind, body)
    except NoDaemonError:
        raise
    except BusError:
        return {}
