"""Against a real MLflow: a local store, no server, and a server that comes late."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from btc_ai_mlflow.service import MlflowService
from btc_ai_mlflow.settings import Settings
from btc_ai_mlflow.store import Store, StoreError
from mlflow import MlflowClient
from mlflow.entities import ViewType
from pydantic import ValidationError

from btc_ai.api.testing import FakeContext, ask
from btc_ai.api.testing_daemon import running_daemon, wait_for

Body = dict[str, Any]
MAY_SEND = ("training.runs", "training.show", "training.history")
RUN = "abc123"
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


class Training:
    """What the training service would answer, for one run of one bucket."""

    def __init__(self, folder: Path, episodes: int = 1200, run: str = RUN) -> None:
        self.folder, self.episode, self.episodes, self.run = folder, 0, episodes, run
        self.state, self.updated = "running", 1.0
        (folder / "model.json").write_text(json.dumps({"settings": {"batch_size": 8}}))
        (folder / "model.safetensors").write_bytes(b"weights")

    def context(self, settings: Body) -> FakeContext:
        made = FakeContext("mlflow", settings=Settings.model_validate(settings), may_send=MAY_SEND)
        made.answers["training.runs"] = lambda body: {"runs": [self.show({})]}
        made.answers["training.show"] = self.show
        made.answers["training.history"] = self.history
        return made

    def show(self, body: Body) -> Body:
        done = self.state == "done"
        outcome = {
            "weights_sha256": "5e1f", "model": str(self.folder),
            "validation": {"value": 0.25, "abstains": True},
            "evaluation": {"model": {"total_return": -0.01, "sharpe": None, "trades": 3}},
            "horizon_skill": {"1": 0.002},
        }  # fmt: skip
        step = {
            "position": 0, "bucket": "Short", "state": self.state, "learner": "cfq",
            "episodes": self.episodes, "episode": self.episode, "started": 2.0,
            "ended": 9.0 if done else None, "continued_from": None, "directory": str(self.folder),
            "degraded": False, "rolled_back": None, "outcome": outcome if done else None,
            "verdict": {"decision": "kept", "impact": {"difference": 0.5}} if done else None,
        }  # fmt: skip
        return {
            "run": self.run, "state": self.state, "error": None, "created": 1.0,
            "updated": self.updated, "symbol": "BTC/USDT", "interval": "5m", "synthetic": False,
            "seed": 7, "transfer": True, "steps": [step],
        }  # fmt: skip

    def history(self, body: Body) -> Body:
        rows = [
            {"episode": one, "episodes": self.episodes, "reward": one / 10, "loss": None}
            for one in range(body["after"] + 1, self.episode + 1)
        ]
        return {"rows": rows[: body["limit"]]}

    def end(self) -> None:
        self.state, self.updated, self.episode = "done", 9.0, self.episodes


@contextmanager
def server(folder: Path, port: int) -> Iterator[None]:
    """A real `mlflow server`, in a process group of its own, which ends with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
         "--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
         "--artifacts-destination", str(folder / "artifacts")],
        env=os.environ | QUIET, cwd=folder, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(lambda: _is_up(port), 240)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _is_up(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose database has MLflow's tables; to make them takes seconds."""
    folder = tmp_path_factory.mktemp("mlflow")
    MlflowClient(f"sqlite:///{folder}/mlflow.db").search_experiments()
    return folder


def found(uri: str, name: str = "BTC-AI") -> tuple[Any, Any]:
    """The runs of MLflow: of the run, and of its one bucket."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL)
    assert len(runs) == 2
    [bucket] = [one for one in runs if "mlflow.parentRunId" in one.data.tags]
    [parent] = [one for one in runs if one is not bucket]
    assert bucket.data.tags["mlflow.parentRunId"] == parent.info.run_id
    return parent, bucket


def steps(uri: str, run: Any, metric: str = "reward") -> list[tuple[int, float]]:
    points = MlflowClient(uri).get_metric_history(run.info.run_id, metric)
    return sorted((one.step, one.value) for one in points)


async def until(what: Any) -> None:
    async with asyncio.timeout(120):
        while not what():
            await asyncio.sleep(0.02)


def test_a_run_in_a_local_store(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Episodes in parts, then the end; told twice, nothing is doubled."""
    (elsewhere := tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(elsewhere)
    uri = f"sqlite:///{prepared}/mlflow.db"
    training = Training(tmp_path)

    async def run() -> None:
        context = training.context({"tracking_uri": uri, "every_s": 0.01})
        service = MlflowService(context)
        await service.start()
        training.episode = 1100
        await context.hear("training.progress", {"run": RUN})
        await until(lambda: service.status()["sent"] >= 1 and not service.status()["waiting"])
        training.end()
        sent = service.status()["sent"]
        await context.hear("training.run", {"run": RUN})
        await until(lambda: service.status()["sent"] > sent)
        assert await ask(service, "mlflow.sync", {"run": "abc"}) == {"runs": [RUN]}
        await until(lambda: service.status()["sent"] > sent + 1)
        assert service.status()["last_error"] is None
        await context.close()

    asyncio.run(run())
    parent, bucket = found(uri)
    assert (parent.info.status, bucket.info.status) == ("FINISHED", "FINISHED")
    assert (parent.info.run_name, bucket.info.run_name) == (RUN, "Short")
    assert (bucket.info.start_time, bucket.info.end_time) == (2000, 9000)
    assert parent.data.params["seed"] == "7" and parent.data.params["symbol"] == "BTC/USDT"
    assert bucket.data.params["settings.batch_size"] == "8"
    assert bucket.data.params["learner"] == "cfq"
    assert steps(uri, bucket) == [(one, one / 10) for one in range(1, 1201)]
    expected = {
        "reward": 120.0, "heldout/model/total_return": -0.01, "heldout/model/trades": 3.0,
        "validation/value": 0.25, "horizon_skill/1": 0.002, "transfer/difference": 0.5,
    }  # fmt: skip
    assert bucket.data.metrics == expected
    tags = bucket.data.tags
    assert tags["btc_ai.transfer"] == "kept" and tags["btc_ai.abstains"] == "True"
    artifacts = MlflowClient(uri).list_artifacts(bucket.info.run_id, "model")
    assert [one.path for one in artifacts] == ["model/model.json", "model/model.safetensors"]
    assert list((prepared / "mlruns").rglob("model.safetensors"))
    assert not list(elsewhere.iterdir())  # the folder the daemon happens to be in


def test_through_a_real_daemon_with_a_server_that_comes_late(
    prepared: Path, tmp_path: Path
) -> None:
    """The run has ended before it comes, and yet all of it arrives."""
    folder, port = prepared / "served", free_port()
    folder.mkdir()
    (folder / "mlflow.db").write_bytes((prepared / "mlflow.db").read_bytes())
    uri = f"http://127.0.0.1:{port}"
    settings = {
        "tracking_uri": uri, "experiment": "served", "every_s": 0.1, "max_delay_s": 0.5,
        "first_delay_s": 0.1,
    }  # fmt: skip
    with running_daemon(tmp_path, {"PLUGINS": {"mlflow": {"SETTINGS": settings}}}) as daemon:

        def status() -> Body:
            shown: Body = daemon.plugin("mlflow")["status"]
            return shown

        train = ("train", "--bucket", "Scalping", "--market", "sample", "--episodes", "3")
        daemon.run(*train)  # with no server at all
        wait_for(lambda: status()["failures"] > 0)
        assert status()["waiting"] == 1 and "failed" in status()["last_error"]
        with server(folder, port):
            wait_for(lambda: status()["waiting"] == 0 and status()["sent"] > 0)
            assert status()["failures"] == 0
            _, bucket = found(uri, "served")
            assert bucket.info.status == "FINISHED"
            assert len(steps(uri, bucket)) == 3
            client = MlflowClient(uri)
            card = Path(client.download_artifacts(bucket.info.run_id, "model/model.json"))
            assert json.loads(card.read_text())["bucket"] == "Scalping"


def test_a_server_that_is_down_is_waited_for_and_said(tmp_path: Path) -> None:
    async def run() -> None:
        context = Training(tmp_path).context(
            {"tracking_uri": f"http://127.0.0.1:{free_port()}", "first_delay_s": 0.01,
             "max_delay_s": 0.02, "timeout_s": 5}
        )  # fmt: skip
        service = MlflowService(context)
        await service.start()
        await until(lambda: service.status()["failures"] >= 3)
        for _ in range(50):
            await context.hear("training.progress", {"run": RUN})
        assert service.status()["waiting"] <= 1  # a run, not its events
        assert service.status()["given_up"] == 0
        warnings = [event for level, event, _ in context.log.kept if level == "warning"]
        assert len(warnings) == 1  # a long failure is no flood of logs
        await asyncio.wait_for(context.close(), 60)  # though a wait or a request goes on

    asyncio.run(run())


def test_a_run_that_cannot_be_kept_now_does_not_hold_up_the_others(
    prepared: Path, tmp_path: Path
) -> None:
    """Its model has nowhere to go, and is sent once it has."""
    uri, place = f"sqlite:///{prepared}/mlflow.db", tmp_path / "place"
    place.write_text("a file where a folder is wanted")
    MlflowClient(uri).create_experiment("blocked", (place / "artifacts").as_uri())
    blocked, other = Training(tmp_path, 3), Training(tmp_path, 3, run="other1")
    blocked.end()
    settings = {
        "tracking_uri": uri, "experiment": "blocked", "every_s": 0.01, "first_delay_s": 0.01,
        "max_delay_s": 0.02,
    }  # fmt: skip

    async def run() -> None:
        context = blocked.context(settings)
        runs = {one.run: one for one in (blocked, other)}
        context.answers["training.show"] = lambda body: runs[body["run"]].show(body)
        context.answers["training.history"] = lambda body: runs[body["run"]].history(body)
        service = MlflowService(context)
        await service.start()
        await until(lambda: service.status()["failures"] >= 2)
        for count in (1, 2):
            await context.hear("training.progress", {"run": other.run})
            await until(lambda count=count: service.status()["sent"] >= count)
        await until(lambda: service.status()["failures"] >= 2)
        assert "place" in service.status()["last_error"]
        warnings = [event for level, event, _ in context.log.kept if level == "warning"]
        assert len(warnings) == 1
        place.unlink()
        await until(lambda: service.status()["sent"] == 3 and not service.status()["waiting"])
        assert service.status()["last_error"] is None
        await context.close()

    asyncio.run(run())
    assert list(place.rglob("model.safetensors"))


def test_a_run_that_mlflow_refuses_is_given_up(prepared: Path, tmp_path: Path) -> None:
    """Somebody else has given a parameter another value, which MLflow takes as final."""
    uri = f"sqlite:///{prepared}/mlflow.db"
    training = Training(tmp_path)

    async def run() -> None:
        context = training.context({"tracking_uri": uri, "every_s": 0.01, "experiment": "refused"})
        service = MlflowService(context)
        await service.start()
        await until(lambda: service.status()["sent"] == 1)
        _, bucket = found(uri, "refused")
        MlflowClient(uri).log_param(bucket.info.run_id, "settings.batch_size", "9")
        training.end()
        await context.hear("training.run", {"run": RUN})
        await until(lambda: service.status()["given_up"] == 1)
        assert service.status()["waiting"] == 0
        assert RUN in service.status()["last_error"]
        await context.close()

    asyncio.run(run())


def test_what_mlflow_refuses_and_what_is_only_away(prepared: Path) -> None:
    here = Store(Settings(tracking_uri=f"sqlite:///{prepared}/mlflow.db"))
    with pytest.raises(StoreError) as caught:
        here.write("no_such_run", tags={"a": "b"})
    assert caught.value.permanent
    away = Store(Settings(tracking_uri=f"http://127.0.0.1:{free_port()}"))
    with pytest.raises(StoreError) as caught:
        away.find("a", "b")
    assert not caught.value.permanent


def test_credentials_do_not_belong_in_the_uri() -> None:
    with pytest.raises(ValidationError, match="environment") as caught:
        Settings(tracking_uri="https://ada:hush@mlflow.example")
    assert "hush" not in str(caught.value)
