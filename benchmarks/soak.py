"""Kills workers at random moments, a thousand times, and looks at what that leaves.

`python -m benchmarks.soak [--kills N] [--daemons N] [--seed N]`. Each daemon trains one small run
after the other; its workers are killed while Python starts, while torch is imported, while they
train and write checkpoints (after each episode here, so that many kills hit a write), while they
evaluate and while they end. Exit status 1 where a bar is missed.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from btc_ai.bus.client import Client
from btc_ai.daemon.children.orphans import MARK_VARIABLE
from btc_ai.learning.checkpoint import CheckpointStore
from btc_ai.learning.trainer import CHECKPOINTS
from tests.conftest import House, open_house

BARS = 12_000
EPISODES = 60
RUN = {"bucket": "Scalping", "episodes": EPISODES, "seed": 7, "market": "sample"}
IN_TRAINING = 0.15
START_UP_S, TRAINING_S = 2.0, 1.0
RSS_BAR_MB = 10.0

PLUGIN = '''
"""A checkpoint after each episode."""
import sys

from btc_ai.api import hookimpl


@hookimpl
def btc_ai_features(registry):
    from btc_ai.learning.bucket import train_bucket

    train_bucket.__kwdefaults__["checkpoint_seconds"] = 0.0


plugin = sys.modules[__name__]
'''


@dataclass
class Found:
    """What was seen of one daemon."""

    kills: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    other_weights: int = 0
    checkpoints: int = 0
    unreadable: int = 0
    orphans: int = 0
    descriptors: int = 0
    rss_mb: float = 0.0


def install_plugin(site: Path) -> None:
    """Install the plugin into a folder for PYTHONPATH."""
    package, info = site / "soak_plugin", site / "soak_plugin-1.0.dist-info"
    package.mkdir(parents=True)
    info.mkdir()
    (package / "__init__.py").write_text(PLUGIN)
    manifest = {"name": "soak", "version": "1.0", "api": ">=1,<2", "description": "Soak"}
    (package / "btc_ai_plugin.json").write_text(json.dumps({**manifest, "features": ["none"]}))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: soak_plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[btc_ai.plugins]\nsoak = soak_plugin:plugin\n")


@contextmanager
def open_soaked(folder: Path) -> Iterator[House]:
    """A house whose daemon runs, with a small sample market."""
    with open_house(folder) as house:
        house.configure(PLUGINS={"soak": {"ISOLATION": "daemon"}}, USE_GPU=False)
        house.run("data", "sample", "--bars", str(BARS))
        house.run("daemon", "start")
        yield house


class Soak:
    """One daemon, and whoever kills its workers."""

    def __init__(self, house: House, client: Client, chance: random.Random) -> None:
        """Nothing is killed yet."""
        self.house, self.client, self.chance = house, client, chance
        self.found = Found()
        assert house.daemon_pid is not None
        self.daemon = psutil.Process(house.daemon_pid)

    def soak(self, kills: int) -> Found:
        """Kill so many workers; every run in between goes on to its end."""
        weights = self.weights_of(self.run())
        rss, descriptors = self.measure()
        while self.killed < kills:
            ended = self.run(kills)
            self.found.runs += 1
            self.found.other_weights += self.weights_of(ended) != weights
        after_rss, after_descriptors = self.measure()
        self.found.rss_mb = after_rss - rss
        self.found.descriptors = after_descriptors - descriptors
        self.found.orphans = self.orphans()
        return self.found

    @property
    def killed(self) -> int:
        """Kills so far."""
        return self.found.kills.total()

    def run(self, kills: int = 0) -> Any:
        """Train one run to its end, killing its workers until there have been `kills` in all."""
        run = self.client.call("training.start", RUN)["run"]
        while (shown := self.client.call("training.show", {"run": run}))["state"] != "done":
            if shown["state"] == "failed":
                assert "died too often" in shown["error"], shown["error"]
                self.client.call("training.continue", {"run": run})
            elif self.killed < kills:
                self.kill_one(run)
            else:
                time.sleep(0.1)
        return shown

    def kill_one(self, run: str) -> None:
        """Wait for a worker, then for a random moment of its life, and kill it."""
        end = time.monotonic() + 10.0
        while not (pids := self.house.worker_pids) and time.monotonic() < end:
            time.sleep(0.01)
            if self.client.call("training.show", {"run": run})["state"] in ("done", "failed"):
                return
        if not pids:
            return
        late = self.chance.random() < IN_TRAINING
        if late:
            self.wait_for_an_episode(run, pids[0])
        time.sleep(self.chance.uniform(0, TRAINING_S if late else START_UP_S))
        with suppress(ProcessLookupError):
            os.kill(pids[0], signal.SIGKILL)
            self.found.kills["in training" if late else "in start-up"] += 1
        self.house.wait_for(lambda: pids[0] not in self.house.worker_pids)
        self.read_checkpoint(run)

    def wait_for_an_episode(self, run: str, pid: int) -> None:
        """Until the worker has done an episode, or ended."""
        begun = self.episode(run)
        while self.episode(run) in (begun, None) and pid in self.house.worker_pids:
            time.sleep(0.02)

    def episode(self, run: str) -> int | None:
        """The newest episode of the run, None where it has ended."""
        shown = self.client.call("training.show", {"run": run})
        return shown["steps"][0]["episode"] if shown["state"] == "running" else -1

    def read_checkpoint(self, run: str) -> None:
        """Read every checkpoint that is in sight while no worker is there."""
        directory = self.client.call("training.show", {"run": run})["steps"][0]["directory"]
        store = CheckpointStore(Path(directory or "none") / CHECKPOINTS)
        try:
            count = len(store.read_all())
        except (OSError, ValueError, KeyError, TypeError):
            if not self.house.worker_pids:
                self.found.unreadable += 1
        else:
            self.found.checkpoints += count

    @staticmethod
    def weights_of(shown: Any) -> str:
        """The hash of a finished run's model."""
        return str(shown["steps"][0]["outcome"]["weights_sha256"])

    def measure(self) -> tuple[float, int]:
        """RSS, MB, and descriptors of the daemon at rest."""
        self.house.wait_for(lambda: not self.house.worker_pids)
        time.sleep(2.0)
        return self.daemon.memory_info().rss / 1e6, self.daemon.num_fds()

    def orphans(self) -> int:
        """Processes that a worker left, be they dead and not waited for."""
        left = len(self.daemon.children(recursive=True))
        mine = f"BTC_AI_RUNTIME_DIR={self.house.runtime}".encode()
        for process in psutil.process_iter():
            with suppress(OSError):
                environ = Path(f"/proc/{process.pid}/environ").read_bytes()
                left += mine in environ and f"{MARK_VARIABLE}=".encode() in environ
        return left


def soak_daemon(folder: Path, kills: int, seed: int) -> Found:
    """Soak one daemon of its own."""
    folder.mkdir()
    with open_soaked(folder) as house, Client(house.runtime, timeout=60) as client:
        return Soak(house, client, random.Random(seed)).soak(kills)


def report(found: list[Found], seconds: float) -> bool:
    """Print what was found; whether every bar is reached."""
    kills = sum((one.kills for one in found), Counter())
    runs, rss = sum(one.runs for one in found), max(one.rss_mb for one in found)
    print(
        f"{kills.total():,} kills ({', '.join(f'{n} {when}' for when, n in kills.items())}) of the "
        f"workers of {len(found)} daemons in {seconds / 60:.1f} min\n"
        f"{runs} runs of {EPISODES} episodes, each as often killed as went until it was done"
    )
    bars = {
        "runs with other weights": sum(one.other_weights for one in found),
        "checkpoints unreadable": sum(one.unreadable for one in found),
        "orphans": sum(one.orphans for one in found),
        "descriptors gained": max(one.descriptors for one in found),
    }
    print(f"{sum(one.checkpoints for one in found):,} checkpoints read after a kill")
    for name, value in bars.items():
        print(f"{name:<26} {value:>4}   bar 0   {'reached' if value <= 0 else 'missed'}")
    reached = rss <= RSS_BAR_MB
    print(f"{'RSS gained, MB':<26} {rss:>4.1f}   bar 10  {'reached' if reached else 'missed'}")
    return reached and all(value <= 0 for value in bars.values())


def main() -> int:
    """Soak; exit status 1 where a bar was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--daemons", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    shares = [len(range(one, options.kills, options.daemons)) for one in range(options.daemons)]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="soak-") as name, ThreadPoolExecutor() as pool:
        root = Path(name)
        install_plugin(root / "site")
        path = [str(root / "site"), os.environ.get("PYTHONPATH", str(Path(__file__).parents[1]))]
        os.environ["PYTHONPATH"] = os.pathsep.join(path)
        jobs = [
            pool.submit(soak_daemon, root / str(number), share, options.seed + number)
            for number, share in enumerate(shares)
        ]
        found = [job.result() for job in jobs]
    return 0 if report(found, time.monotonic() - began) else 1


if __name__ == "__main__":
    sys.exit(main())
