"""Takes a sample of the system each UPDATE_INTERVAL seconds, and tells what it shows."""

import asyncio
from typing import Any

from btc_ai.api.errors import BtcAiError
from btc_ai.api.service import Body, Context
from btc_ai.api.threads import in_thread
from btc_ai.config import Config
from btc_ai.plugins.monitoring.alerts import MemoryAlerts
from btc_ai.plugins.monitoring.gpus import Gpus, GpuState
from btc_ai.plugins.monitoring.messages import Alert, GpuSample, Sample
from btc_ai.plugins.monitoring.system import System

LEAST_S = 0.5
GPU_LIMIT_S = 3.0


class Sampler:
    """Measures, publishes, warns. `newest` is the last sample."""

    def __init__(self, context: Context, nvml: Any, gpu_limit_s: float = GPU_LIMIT_S) -> None:
        """nvml: the module `pynvml`. gpu_limit_s: how long its driver may take to answer."""
        self._context = context
        self._system, self._gpus = System(context.config.MODELS_DIR), Gpus(nvml)
        self._gpu_limit_s = gpu_limit_s
        self._reading: asyncio.Task[list[GpuSample]] | None = None
        self._alerts = MemoryAlerts()
        self.newest: Sample | None = None

    async def run(self) -> None:
        """Take samples, for ever; the first once there is a time to measure over."""
        await asyncio.sleep(LEAST_S)
        while True:
            config = self._config()
            sample = await self.take()
            gpu_alert = self._gpu_alert(self.newest, sample)
            self.newest = sample
            self._context.publish(sample)
            for alert in (*self._alerts.of(sample, config), *gpu_alert):
                log = self._context.log.info if alert.level == "ok" else self._context.log.warning
                log(alert.text)
                self._context.publish(alert)
            await asyncio.sleep(max(LEAST_S, config.MONITORING.UPDATE_INTERVAL))

    async def take(self) -> Sample:
        """One sample."""
        gpus, state, detail = await self._read_gpus()
        named = await self._named()
        host, processes = await in_thread(
            lambda: (self._system.host(), self._system.processes(named, self._gpus.memory_of))
        )
        return Sample(host=host, gpu_state=state, gpu_detail=detail, gpus=gpus, processes=processes)

    async def _read_gpus(self) -> tuple[list[GpuSample], GpuState, str]:
        """The GPUs; a driver that does not answer is waited for beside the other samples."""
        self._reading = self._reading or asyncio.create_task(in_thread(self._gpus.read))
        done, _ = await asyncio.wait({self._reading}, timeout=self._gpu_limit_s)
        if not done:
            return [], "lost", f"the GPU's driver has not answered for {self._gpu_limit_s:g} s"
        found, self._reading = self._reading.result(), None
        return found, self._gpus.state, self._gpus.detail

    async def _named(self) -> dict[str, int]:
        """The processes of the daemon by name: itself, its plugins' and its workers'."""
        try:
            status = await self._context.call("daemon.status", {})
        except BtcAiError as error:
            self._context.log.debug("processes are not known", reason=str(error))
            return {}
        named = {"daemon": int(status["pid"])}
        return named | _pids("plugin.", status["plugins"]) | _pids("worker.", status["workers"])

    def _config(self) -> Config:
        """The configuration as its file is now; where that is wrong, as it was at the start."""
        try:
            return self._context.read_config()
        except BtcAiError:
            return self._context.config

    @staticmethod
    def _gpu_alert(before: Sample | None, now: Sample) -> list[Alert]:
        was = before.gpu_state if before else now.gpu_state
        if was == now.gpu_state:
            return []
        if now.gpu_state == "ok":
            return [Alert(what="gpu", level="ok", device="gpu", text="all GPUs answer")]
        text = f"a GPU does not answer: {now.gpu_detail}"
        return [Alert(what="gpu", level="warning", device="gpu", text=text)]


def _pids(prefix: str, rows: list[Body]) -> dict[str, int]:
    return {f"{prefix}{row['name']}": int(row["pid"]) for row in rows if row["pid"]}
