"""The bodies of the `monitoring.` commands and events; see `docs/messaging.md`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from btc_ai.api.messages import Event


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class StatusBody(_Command):
    """How it goes."""


class CurvesBody(_Command):
    """Metrics of one bucket of a run, between two episodes; see `btc_ai.history.queries`."""

    run: str = Field(max_length=64)
    position: int = Field(0, ge=0)
    names: list[str] = Field(min_length=1, max_length=8)
    first: int | None = Field(None, ge=0)
    last: int | None = Field(None, ge=0)
    max_points: int = Field(500, ge=1, le=1000)
    smoothing: float = Field(0.0, ge=0, lt=1)


class SystemBody(_Command):
    """Samples of the system in [start, end), seconds since 1970; `names`: `gpu.*`, `host.cpu`."""

    start: float
    end: float
    names: list[str] = Field(min_length=1, max_length=16)
    max_points: int = Field(500, ge=1, le=1000)


class EventsBody(_Command):
    """Events, newest first; `before`: the `id` of the last one of the page before."""

    before: int | None = Field(None, ge=0)
    kind: str | None = Field(None, max_length=64)
    run: str | None = Field(None, max_length=64)
    limit: int = Field(50, ge=1, le=200)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HostSample(_Part):
    """The machine. cpu, memory, disk: shares in 0–1; sizes in MiB; rates in MiB a second.

    disk: that of MODELS_DIR, None where that is gone. Rates: None where the machine does not tell.
    """

    cpu: float
    load: float
    memory: float
    memory_used_mb: float
    memory_total_mb: float
    disk: float | None
    disk_free_mb: float | None
    disk_read_mb_s: float | None
    disk_written_mb_s: float | None
    network_sent_mb_s: float | None
    network_received_mb_s: float | None


class GpuSample(_Part):
    """A GPU. utilisation, memory: shares in 0–1. None: the driver does not tell."""

    index: int
    name: str
    utilisation: float | None
    memory: float
    memory_used_mb: float
    memory_total_mb: float
    temperature_c: float | None
    power_w: float | None


class ProcessSample(_Part):
    """The daemon, or a process of its own. cpu: cores in use. gpu_memory_mb: on all GPUs."""

    name: str
    pid: int
    cpu: float
    memory_mb: float
    gpu_memory_mb: float | None


class Sample(Event):
    """The system, each UPDATE_INTERVAL seconds.

    gpu_state: `ok`, `none` (no driver), `lost` (there was one, or not all GPUs answer; the detail
    says why).
    """

    kind = "monitoring.sample"

    host: HostSample
    gpu_state: Literal["ok", "none", "lost"]
    gpu_detail: str
    gpus: list[GpuSample]
    processes: list[ProcessSample]


class Alert(Event):
    """Something to look at, or that is well again (`level`: `ok`).

    what: `memory` (of `device`: host, gpu.0; `value` and `threshold` are shares in 0–1), `history`
    (it cannot be written) or `gpu` (its driver).
    """

    kind = "monitoring.alert"

    what: Literal["memory", "history", "gpu"]
    level: Literal["ok", "warning", "limit"]
    device: str
    text: str
    value: float | None = None
    threshold: float | None = None


class Report(Event):
    """The report of a run that has ended: where it is, or why there is none."""

    kind = "monitoring.report"

    run: str
    path: str | None
    error: str | None
