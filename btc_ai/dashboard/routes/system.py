"""Samples of the system, and what they advise."""

import time
from collections.abc import Sequence
from dataclasses import asdict

from pydantic import Field
from starlette.requests import Request

from btc_ai.api.service import Body
from btc_ai.api.threads import in_thread
from btc_ai.config import LARGEST_BATCH, Config
from btc_ai.dashboard.parts import Parts
from btc_ai.dashboard.replies import Asked, query_of
from btc_ai.errors import BtcAiError
from btc_ai.history.answers import Series

HOUR_S = 3600.0
SINCE_S = 600.0
"""How far back a suggestion looks."""
MOST_NAMES = 64


class SystemQuery(Asked):
    """Series by name (`gpu.*`: all that begin so) in [start, end), seconds since 1970."""

    start: float | None = Field(None, ge=0)
    end: float | None = Field(None, ge=0, le=1e11)
    names: str = Field("host.*,gpu.*,process.*", max_length=2000)
    points: int = Field(500, ge=1, le=5000)


async def system(parts: Parts, request: Request) -> Body:
    """The series, how the GPUs are, and a batch size that would use them well."""
    asked = query_of(request, SystemQuery)
    end = asked.end if asked.end is not None else time.time() + 1
    start = asked.start if asked.start is not None else end - HOUR_S
    names = asked.names.split(",")[:MOST_NAMES]
    found = await parts.store.ask(
        lambda history: history.system(start, end, names=names, max_points=asked.points)
    )
    now = time.time()
    memory = await parts.store.ask(
        lambda history: history.system(
            now - SINCE_S, now + 1, names=["gpu.0.memory", "gpu.0.memory_total_mb"], max_points=60
        )
    )
    state, detail = await _gpus(parts)
    config = await in_thread(parts.current.get)
    return {
        "series": [asdict(one) for one in found],
        "gpu_state": state,
        "gpu_detail": detail,
        "suggested_batch": suggested_batch(memory, config),
    }


async def _gpus(parts: Parts) -> tuple[str | None, str]:
    """`ok`, `none`, `lost`, or None where nobody measures; and why."""
    if not parts.hub.connected:
        return None, "no daemon measures"
    try:
        status = await parts.bus.call("monitoring.status", {})
    except BtcAiError as error:
        return None, str(error)
    return status["gpu_state"], status["gpu_detail"]


def suggested_batch(memory: Sequence[Series], config: Config) -> str | None:
    """The largest power of two times BATCH_SIZE that keeps a GPU below its warning, in words.

    All that is in use is taken to grow with the batch, so it is no more than may be tried. None:
    no GPU is measured.
    """
    used = next((one for one in memory if one.name == "gpu.0.memory"), None)
    if used is None:
        return None
    warning, batch = config.MEMORY_WARNING_PERCENT, config.BATCH_SIZE
    most = max(used.high)
    said = f"GPU memory was at {most:.0%} at most in the last {SINCE_S / 60:.0f} minutes"
    if most >= warning:
        return f"{said}: above MEMORY_WARNING_PERCENT ({warning:.0%}); halve BATCH_SIZE ({batch})"
    larger = batch
    while larger * 2 <= LARGEST_BATCH and most * larger * 2 / batch < warning:
        larger *= 2
    if larger == batch:
        return f"{said}, in the zone below {warning:.0%}: BATCH_SIZE {batch} is right"
    return f"{said}, and {warning:.0%} is the warning: BATCH_SIZE {larger} should fit ({batch} now)"
