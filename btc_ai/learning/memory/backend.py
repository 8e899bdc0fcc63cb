"""How much memory there is: what every backend tells, and which one a device has."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Protocol

import torch

MB = 1 << 20
EXHAUSTED = (
    "out of memory",
    "can't allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


@dataclass(frozen=True)
class Reading:
    """Memory at one moment, in bytes, whoever uses it; `own` is held by this process.

    others: held by other processes on the same GPU; None where that is not known.
    utilisation: share of the last moments in which the GPU was busy; None where not known.
    """

    total: int
    free: int
    own: int
    others: int | None = None
    utilisation: float | None = None

    @property
    def used_share(self) -> float:
        """Share that is not free."""
        return 1 - self.free / self.total

    @property
    def own_share(self) -> float:
        """Share that this process holds."""
        return self.own / self.total

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary, memory in MiB."""
        plain = dataclasses.asdict(self)
        sizes = ("total", "free", "own", "others")
        megabytes = {f"{name}_mb": plain.pop(name) for name in sizes}
        return {k: v if v is None else round(v / MB, 1) for k, v in megabytes.items()} | plain


class MemoryBackend(Protocol):
    """The memory that a run computes in."""

    @property
    def name(self) -> str:
        """`GPU` or `host`."""
        ...

    def read(self) -> Reading:
        """Measure; cheap enough for once an episode."""
        ...

    def empty_cache(self) -> None:
        """Give back what this process holds and does not use."""
        ...


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on whichever device.

    torch raises OutOfMemoryError for a GPU and a plain RuntimeError for the host and for the
    libraries beneath it; numpy and Python raise MemoryError.
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in EXHAUSTED)
