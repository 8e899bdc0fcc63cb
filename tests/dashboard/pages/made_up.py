"""Made-up runs, put into a history by the real writer: one done, one failed, one in training."""

import json
import math
import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btc_ai.api.messages import Heard
from btc_ai.api.testing import FakeLogger
from btc_ai.config import Config
from btc_ai.history.writer import Writer
from tests.history.conftest import run_view, step_view, wait_for

Body = dict[str, Any]

DONE, FAILED, RUNNING = "dn2345", "fb2345", "rn2345"
BUCKETS = ("Scalping", "Short", "Medium", "Long")
EPISODES = 90
EPISODE_S = 20.0
AGO_S = 3 * 3600.0
GPU_MB = 24_576.0
FEATURES = {"price": 0.31, "rsi": 0.22, "ema": 0.12, "volume": 0.05, "macd": -0.02}
HTML = "<b>loss</b> is not finite\x1b[31m"
"""What must come as text."""

PANELS: list[Body] = [
    {"name": kind, "title": f"Greetings as {kind}", "command": f"hello.{kind}", "kind": kind,
     "arguments": {}, "every_s": 1.0}
    for kind in ("text", "table", "line")
]  # fmt: skip
ANSWERS: dict[str, Body] = {
    "daemon.status": {"plugins": [{"name": "hello", "state": "ready"}]},
    "daemon.plugin": {"name": "hello", "panels": PANELS},
    "training.runs": {"runs": []},
    "monitoring.status": {"sample": None, "gpu_state": "ok", "gpu_detail": ""},
    "update.status": {
        "kind": "slots",
        "current": "0.1.0",
        "releases": ["0.2.0", "0.1.0", "0.0.9"],
        "bad": {"0.2.0": {"time": 1e9, "reason": "it did not stay up"}},
        "installation": None,
    },
    "update.history": {
        "history": [
            {"time": 1e9, "what": "gone back", "from": "0.0.9", "to": "0.1.0", "reason": HTML}
        ]
    },
    "hello.text": {"text": HTML},
    "hello.table": {"rows": [{"who": HTML, "times": 3}, {"who": "Ada", "times": 1}]},
    "hello.line": {"series": {"greetings": [[1, 1.0], [2, 3.0], [3, 2.0]]}},
}
"""What a daemon with the plugin `hello` answers."""


@dataclass
class Ledger:
    """Numbers events as the bus does, beginning some hours ago."""

    now: float
    seq: int = 0

    def event(self, kind: str, body: Body, moment: float, source: str = "training") -> Heard:
        """The next event."""
        self.seq += 1
        return Heard(kind, body, source, None, self.seq, moment, epoch="e1")


def fill(config: Config, now: float | None = None) -> Ledger:
    """Write everything into the history of a configuration, and models into its folder."""
    ledger = Ledger(now or time.time())
    models = config.MODELS_DIR
    events = [*_done(ledger, models), *_failed(ledger), *_running(ledger), *_system(ledger)]
    write(config, events)
    return ledger


def write(config: Config, events: Iterable[Heard]) -> None:
    """Have the real writer write some events."""
    writer = Writer(config, FakeLogger(), on_change=lambda _: None, gather_s=0.01)
    writer.start()
    try:
        for event in events:
            wait_for(lambda event=event: writer.put(event))  # type: ignore[misc]
        wait_for(lambda: writer.settled)
    finally:
        writer.close()


def many(ledger: Ledger, count: int) -> Iterator[Heard]:
    """As many short runs that have stopped, older than the others."""
    for number in range(count):
        view = run_view(
            step_view(state="stopped", episodes=5), run=f"many{number:04d}", state="stopped",
            created=ledger.now - 40 * AGO_S - number,
        )  # fmt: skip
        yield ledger.event("training.run", view, ledger.now - 40 * AGO_S)


def metrics(bucket: str, arm: str, episode: int) -> Body:
    """What an episode of a bucket gives; noisy, the same each time."""
    noise = random.Random(f"{bucket}{arm}{episode}")
    learned = 1 - math.exp(-episode / (25 if arm == "main" else 45))
    reward = 0.6 * learned + noise.gauss(0, 0.08)
    return {
        "episode": episode, "episodes": EPISODES, "reward": reward,
        "loss": 2.4 * math.exp(-episode / 40) + 0.3 + abs(noise.gauss(0, 0.06)),
        "win_rate": 0.38 + 0.12 * learned + noise.gauss(0, 0.015) if episode > 2 else None,
        "profit_factor": 0.9 + 0.9 * learned + noise.gauss(0, 0.1) if episode > 2 else None,
        "validation_reward": 0.9 * reward if episode % 3 == 0 else None,
        "bars_per_second": 61_000 + noise.gauss(0, 900),
    }  # fmt: skip


def episodes(
    ledger: Ledger, run: str, position: int, start: float, count: int, *, twin: bool
) -> Iterator[Heard]:
    """The episodes of a bucket, and of the twin beside it."""
    bucket = BUCKETS[position]
    kinds = {"training.progress": "main", **({"training.twin": "scratch"} if twin else {})}
    for episode in range(1, count + 1):
        for kind, arm in kinds.items():
            body = {"run": run, "position": position, "bucket": bucket, "episode": episode,
                    "eta_s": (EPISODES - episode) * EPISODE_S,
                    "metrics": metrics(bucket, arm, episode)}  # fmt: skip
            yield ledger.event(kind, body, start + episode * EPISODE_S)


def transfer(position: int) -> Body:
    """The plan that carried knowledge to a bucket."""
    source, target = BUCKETS[position - 1], BUCKETS[position]
    return {
        "kinds": ["weights", "features", "horizons"], "source": source, "target": target,
        "model": f"Models/{source}/{DONE}", "weights_sha256": "9" * 64,
        "matched": ["price", "volume", "macd", "rsi", "ema"], "new": ["bollinger"], "left": [],
        "horizons": {"source": [1, 72], "target": [6, 144], "overlap": [6, 72]},
        "expected_mb": 41.4, "notes": [], "reason": None,
    }  # fmt: skip


def verdict(decision: str, difference: float) -> Body:
    """What measuring a transfer found."""
    comparisons = [
        {"share": share, "episode": round(EPISODES * share), "transferred": 0.4 + difference,
         "scratch": 0.4, "difference": difference, "standard_error": 0.04,
         "low": difference - 0.08, "high": difference + 0.08}
        for share in (0.0, 0.25, 1.0)
    ]  # fmt: skip
    return {
        "decision": decision, "share": 1.0, "reason": "measured at the end",
        "comparisons": comparisons, "impact": comparisons[-1], "jumpstart": comparisons[0],
        "asymptote": comparisons[-1], "transfer_ratio": 0.2,
        "time_to_threshold": {"transferred": 12, "scratch": 30},
    }  # fmt: skip


def outcome(models: Path, position: int, run: str = DONE) -> Body:
    """A finished model, with its card in the models folder."""
    folder = models / BUCKETS[position] / run
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(b"w" * 90_036)
    importance = {
        name: {"drop": drop / (1 + position), "low": drop / (1 + position) - 0.05,
               "high": drop / (1 + position) + 0.06, "t_value": 3.0}
        for name, drop in FEATURES.items()
    }  # fmt: skip
    card = {
        "settings": {"seed": 7, "episodes": EPISODES}, "importance": importance, "bars": 105_120,
        "parts": {"train": [1_672_531_200_000, 1_690_000_000_000],
                  "test": [1_690_000_000_000, 1_704_067_200_000]},
        "data_sha256": "d" * 64, "bucket": BUCKETS[position], "created": "2026-01-01T00:00:00",
        "episodes": EPISODES, "validation": {"abstains": False},
    }  # fmt: skip
    (folder / "model.json").write_text(json.dumps(card))
    return {
        "bucket": BUCKETS[position], "model": str(folder), "weights_sha256": "a" * 64,
        "episodes": EPISODES, "validation": {"value": 0.45, "episode": 80, "abstains": False},
        "evaluation": {"model": {"net_bps_per_bar": 0.49, "win_rate": 0.41, "profit_factor": 1.9},
                       "flat": {"net_bps_per_bar": 0.0},
                       "buy_and_hold": {"net_bps_per_bar": 0.12}},
    }  # fmt: skip


def _done(ledger: Ledger, models: Path) -> Iterator[Heard]:
    begun = ledger.now - 4 * AGO_S
    steps = []
    for position, bucket in enumerate(BUCKETS):
        rolled_back = position == 2
        start = begun + position * EPISODES * EPISODE_S
        yield from episodes(ledger, DONE, position, start, EPISODES, twin=position > 0)
        found = outcome(models, position)
        steps.append(
            step_view(
                position, bucket, state="done", episodes=EPISODES, episode=EPISODES, started=start,
                ended=start + EPISODES * EPISODE_S, outcome=found,
                metrics=metrics(bucket, "main", EPISODES),
                transfer=transfer(position) if position else None,
                verdict=verdict("rolled_back" if rolled_back else "kept", -0.21 if rolled_back
                                else 0.14) if position else None,
                rolled_back="transfer rolled back: it harms" if rolled_back else None,
                directory=found["model"] + ("-scratch" if rolled_back else ""),
            )
        )  # fmt: skip
    view = run_view(*steps, run=DONE, state="done", created=begun, updated=begun + AGO_S, seed=7)
    yield ledger.event("training.run", view, begun + AGO_S)
    for position, step in enumerate(steps[1:], 1):
        found = step.verdict or {}
        body = {"transfer": f"{DONE}-{position}", "run": DONE, "position": position,
                "bucket": step.bucket, "decision": found["decision"], "reason": found["reason"],
                **{name: found["impact"][name] for name in ("difference", "low", "high", "share")},
                }  # fmt: skip
        yield ledger.event("transfer.verdict", body, step.ended or 0.0)


def _failed(ledger: Ledger) -> Iterator[Heard]:
    begun = ledger.now - 2 * AGO_S
    yield from episodes(ledger, FAILED, 0, begun, 30, twin=False)
    step = step_view(state="failed", episodes=EPISODES, episode=30, started=begun,
                     metrics=metrics("Scalping", "main", 30))  # fmt: skip
    view = run_view(step, run=FAILED, state="failed", error=HTML, created=begun, updated=begun)
    yield ledger.event("training.run", view, begun)


def _running(ledger: Ledger) -> Iterator[Heard]:
    begun = ledger.now - 150 * EPISODE_S
    yield from episodes(ledger, RUNNING, 0, begun, EPISODES, twin=False)
    second = begun + EPISODES * EPISODE_S
    yield from episodes(ledger, RUNNING, 1, second, 50, twin=True)
    yield ledger.event("training.run", running_view(begun, 50), ledger.now)
    name = f"training.{RUNNING}"
    body = {"name": name, "state": "restarting", "silent_s": 0.0, "cause": "signal SIGSEGV"}
    yield ledger.event("daemon.worker", body, second + 20 * EPISODE_S, "daemon")


def running_view(begun: float, episode: int) -> Body:
    """The run in training, in its second bucket."""
    memory = {
        "run": RUNNING, "position": 1, "bucket": "Short", "what": "rung", "text": "batch halved",
        "backend": "GPU", "phase": "training", "episode": 31, "rung": 2, "reason": "memory",
        "passed": {}, "degraded": False, "before": None, "after": None,
    }  # fmt: skip
    second = begun + EPISODES * EPISODE_S
    steps = [
        step_view(state="done", episodes=EPISODES, episode=EPISODES, started=begun, ended=second,
                  metrics=metrics("Scalping", "main", EPISODES)),
        step_view(1, "Short", episodes=EPISODES, episode=episode, started=second,
                  transfer=transfer(1), memory=[memory]),
        step_view(2, "Medium", state="waiting", episodes=EPISODES, started=None),
        step_view(3, "Long", state="waiting", episodes=EPISODES, started=None),
    ]  # fmt: skip
    return run_view(*steps, run=RUNNING, state="running", created=begun, updated=begun, seed=11)


def sample(share: float, gpus: int = 1) -> Body:
    """A sample of the system, busy by a share."""
    gpu = {
        "index": 0, "name": "NVIDIA RTX 4090", "utilisation": share, "memory": 0.3 + share / 2,
        "memory_used_mb": (0.3 + share / 2) * GPU_MB, "memory_total_mb": GPU_MB,
        "temperature_c": 45.0 + 30 * share, "power_w": 80.0 + 220 * share,
    }  # fmt: skip
    process = {
        "pid": 42,
        "name": f"worker.training.{RUNNING}",
        "cpu": share,
        "memory_mb": 610.0,
        "gpu_memory_mb": 900.0,
    }
    host = {
        "cpu": 0.2 + share / 2, "load": 2 * share, "memory": 0.4 + share / 5,
        "memory_used_mb": 6000.0, "memory_total_mb": 16_000.0, "disk": 0.5,
        "disk_free_mb": 50_000.0, "disk_read_mb_s": share, "disk_written_mb_s": 2 * share,
        "network_sent_mb_s": 0.1, "network_received_mb_s": 0.2,
    }  # fmt: skip
    return {"host": host, "gpu_state": "ok" if gpus else "none", "gpu_detail": "",
            "gpus": [{**gpu, "index": index} for index in range(gpus)],
            "processes": [process]}  # fmt: skip


def _system(ledger: Ledger) -> Iterator[Heard]:
    for minute in range(170, 0, -1):
        share = 0.5 + 0.4 * math.sin(minute / 12)
        moment = ledger.now - 60 * minute
        yield ledger.event("monitoring.sample", sample(share), moment, "monitoring")
    body = {"what": "memory", "level": "warning", "device": "gpu.0", "value": 0.71,
            "threshold": 0.65, "text": "GPU 0 memory is at 71 %"}  # fmt: skip
    yield ledger.event("monitoring.alert", body, ledger.now - 600, "monitoring")
