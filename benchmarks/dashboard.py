"""The dashboard with 4 × 20,000 points in a headless Chromium, at 5 updates a second; beside it
TensorBoard on the same curves, where it is installed (extra `bench`).

`python -m benchmarks.dashboard`. BROWSER names another Chromium than /usr/bin/chromium.
"""

import argparse
import asyncio
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.request import urlopen

import psutil
from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import text, update
from websockets.sync.client import connect

from benchmarks.history import EPISODES, METRICS, fill
from btc_ai.api.messages import Heard
from btc_ai.api.service import Body
from btc_ai.api.testing import FakeLogger
from btc_ai.config import Config
from btc_ai.dashboard.bus import LinkState
from btc_ai.dashboard.serve import open_door
from btc_ai.dashboard.service import Dashboard
from btc_ai.errors import BtcAiError
from btc_ai.history import schema
from btc_ai.history.database import open_for_writing

CHROMIUM = os.environ.get("BROWSER", "/usr/bin/chromium")
RUN = "run00000"
UPDATES_A_SECOND = 5
ROUNDS = 3
MEASURED_S = 10.0
PAGES = 20
BARS = {
    "cold, ms": (None, 1000.0), "wire, kB": (None, 700.0), "frames/s": (50.0, None),
    "RSS 1 page, MB": (None, 100.0), f"RSS {PAGES} pages, MB": (None, 130.0),
    "CPU 1 page, %": (None, 5.0),
}  # fmt: skip
"""Each measure's least and greatest."""
WATCH = """
new MutationObserver(() => {
    if (document.documentElement.dataset.ready === "true") window.readyAt ??= performance.now();
}).observe(document, {attributes: true, subtree: true, attributeFilter: ["data-ready"]});
"""
FRAMES = """(seconds) => new Promise((done) => {
    const gaps = [], end = performance.now() + 1000 * seconds;
    let last = performance.now();
    requestAnimationFrame(function frame(now) {
        gaps.push(now - last); last = now;
        if (now < end) requestAnimationFrame(frame);
        else {
            gaps.sort((a, b) => a - b);
            done([gaps.length / seconds, gaps[gaps.length * .95 | 0]]);
        }
    });
})"""


class Updates:
    """A bus on which a run ends an episode five times a second."""

    async def call(self, kind: str, body: Body) -> Body:
        """Nobody answers."""
        raise BtcAiError(f"{kind} is not answered here")

    async def news(self) -> AsyncIterator[Heard | LinkState]:
        """The run goes on."""
        yield LinkState(True)
        for episode in range(EPISODES + 1, 10**9):
            await asyncio.sleep(1 / UPDATES_A_SECOND)
            metrics = {name: float(episode % 97) for name in METRICS}
            body = {
                "run": RUN, "arm": "main", "position": 0, "bucket": "Scalping", "episode": episode,
                "metrics": {**metrics, "episode": episode, "episodes": 10**6}, "eta_s": 1.0,
            }  # fmt: skip
            yield Heard("training.progress", body, "training", None, episode, time.time())


def config_in(folder: Path) -> Config:
    """A configuration whose folders are all there."""
    keys = ("MODELS_DIR", "DATA_DIR", "LOG_DIR", "KEYS_DIR")
    return Config.model_validate({key: str(folder / key) for key in keys})


def prepare(folder: Path) -> None:
    """Write one run of EPISODES episodes that is still in training, with noise that packs badly."""
    config = config_in(folder)
    config.MODELS_DIR.mkdir()
    engine = open_for_writing(config)
    fill(engine, EPISODES * len(METRICS))
    with engine.begin() as connection:
        connection.execute(update(schema.runs).values(state="running"))
        connection.execute(update(schema.buckets).values(state="running"))
        connection.execute(text("UPDATE metrics SET value = value / 97 + random() / 1e19"))
    engine.dispose()


async def serve(folder: Path, port: int) -> None:
    """The dashboard over a folder, in this process."""
    config, door = config_in(folder), open_door("127.0.0.1", port)
    dashboard = Dashboard(
        config, None, door, Updates(), FakeLogger(), read_config=lambda: config
    )  # fmt: skip
    await dashboard.run()


@contextmanager
def started(*command: str, url: str) -> Iterator[psutil.Process]:
    """A server, once it answers."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            end = time.monotonic() + 60
            while not _answers(url):
                assert process.poll() is None and time.monotonic() < end, f"{command} did not start"
                time.sleep(0.1)
            yield psutil.Process(process.pid)
        finally:
            process.kill()


def _answers(url: str) -> bool:
    try:
        with urlopen(url):
            return True
    except OSError:
        return False


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def opened(browser: Browser, url: str, ready: str) -> Iterator[tuple[Page, float, float]]:
    """A page with a cold cache; ms until `ready`, kB that came over the wire until then."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.add_init_script(WATCH)
    tools, received = context.new_cdp_session(page), [0.0]
    tools.send("Network.enable")
    tools.on(
        "Network.loadingFinished",
        lambda event: received.append(received.pop() + event["encodedDataLength"]),
    )
    page.goto(url, wait_until="commit")
    page.wait_for_function(ready, timeout=60_000)
    taken = page.evaluate("() => window.readyAt ?? performance.now()")
    page.wait_for_timeout(300)
    yield page, float(taken), received[0] / 1000
    context.close()


def cpu_percent(process: psutil.Process, seconds: float) -> float:
    """The share of one core that a process takes."""
    before = sum(process.cpu_times()[:2])
    time.sleep(seconds)
    return 100 * (sum(process.cpu_times()[:2]) - before) / seconds


def rss_mb(process: psutil.Process) -> float:
    """Resident memory, with its children's."""
    some = [process, *process.children(recursive=True)]
    return sum(one.memory_info().rss for one in some) / 1e6


def another_page(stack: ExitStack, url: str) -> None:
    """What a page costs the server, without a browser: its questions, then its WebSocket."""
    names = ",".join(METRICS)
    for path in ("hello", "overview", "runs", f"runs/{RUN}/curves?names={names}"):
        with urlopen(f"{url}/api/{path}") as answer:
            answer.read()
    address = f"{url.replace('http', 'ws', 1)}/ws"  # a full queue would hear no answer to its close
    page = stack.enter_context(connect(address, ping_interval=None, max_queue=None))
    assert json.loads(page.recv())["type"] == "hello"


def measure(browser: Browser, folder: Path) -> dict[str, float]:
    """The dashboard's measures; what the browser tells is the median of some rounds."""
    port = free_port()
    url, ready = (
        f"http://127.0.0.1:{port}",
        '() => document.documentElement.dataset.ready === "true"',
    )
    view = f"{url}/training?run={RUN}&bucket=Scalping&metrics={','.join(METRICS)}"
    rounds: list[tuple[float, ...]] = []
    command = (sys.executable, "-m", "benchmarks.dashboard", "--serve", str(folder), str(port))
    with started(*command, url=f"{url}/api/hello") as server, ExitStack() as others:
        found = {"RSS 0 pages, MB": rss_mb(server)}
        for _ in range(ROUNDS):
            with opened(browser, view, ready) as (page, taken, received):
                rounds.append((taken, received, *page.evaluate(FRAMES, MEASURED_S / ROUNDS)))
        with opened(browser, view, ready):
            found["CPU 1 page, %"] = cpu_percent(server, MEASURED_S)
            found["RSS 1 page, MB"] = rss_mb(server)
            for _ in range(PAGES - 1):
                another_page(others, url)
            found[f"CPU {PAGES} pages, %"] = cpu_percent(server, MEASURED_S)
            found[f"RSS {PAGES} pages, MB"] = rss_mb(server)
    names = ("cold, ms", "wire, kB", "frames/s", "frame p95, ms")
    medians = [statistics.median(one) for one in zip(*rounds, strict=True)]
    return dict(zip(names, medians, strict=True)) | found


def measure_tensorboard(browser: Browser, folder: Path) -> dict[str, float]:
    """TensorBoard's, on the same curves."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder / "tensorboard")) as writer:
        for episode in range(1, EPISODES + 1):
            for name in METRICS:
                writer.add_scalar(f"train/{name}", random.gauss(episode % 97 / 97, 0.3), episode)
    url = f"http://127.0.0.1:{(port := free_port())}"
    samples = ("--samples_per_plugin", f"scalars={EPISODES}")
    command = (sys.executable, "-m", "tensorboard.main", "--logdir", str(folder / "tensorboard"),
               "--port", str(port), *samples)  # fmt: skip
    ready = f"() => document.querySelectorAll('line-chart').length >= {len(METRICS)}"
    with started(*command, url=url) as server:
        while METRICS[-1] not in _text(f"{url}/data/plugin/scalars/tags"):
            time.sleep(0.5)
        rounds = []
        for _ in range(ROUNDS):
            with opened(browser, f"{url}/#timeseries", ready) as (_, taken, received):
                rounds.append((taken, received))
        medians = [statistics.median(one) for one in zip(*rounds, strict=True)]
        return {"cold, ms": medians[0], "wire, kB": medians[1], "RSS 1 page, MB": rss_mb(server)}


def _text(url: str) -> str:
    with urlopen(url) as answer:
        return str(answer.read().decode())


def _within(name: str, value: float) -> bool:
    least, most = BARS.get(name, (None, None))
    return (least is None or value >= least) and (most is None or value <= most)


def _told(name: str, value: float) -> str:
    least, most = BARS.get(name, (None, None))
    bar = f" (at least {least:g})" if least else f" (at most {most:g})" if most else ""
    return f"{name}: {value:,.1f}{bar}"


def main() -> int:
    """Print what was measured; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", nargs=2, metavar=("FOLDER", "PORT"), help=argparse.SUPPRESS)
    if served := parser.parse_args().serve:
        asyncio.run(serve(Path(served[0]), int(served[1])))
        return 0
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        prepare(folder)
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        found = measure(browser, folder)
        print(f"{len(METRICS)} × {EPISODES:,} points, {UPDATES_A_SECOND} updates a second")
        print("\n".join(_told(*one) for one in found.items()))
        if find_spec("tensorboard") is None:
            print("\nTensorBoard is not installed (extra `bench`): nothing beside it")
        else:
            print("\nTensorBoard: " + ", ".join(
                f"{key}: {one:,.1f}" for key, one in measure_tensorboard(browser, folder).items()
            ))  # fmt: skip
        browser.close()
    missed = [name for name, value in found.items() if not _within(name, value)]
    if missed:
        print(f"\nMissed: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
