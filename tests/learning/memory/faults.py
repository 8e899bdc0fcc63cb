"""Memory that runs out: real operations that fail half-way, and a card that is none.

Nothing of the product is replaced: torch itself is made to raise in the middle of an update, as
it does on a full GPU.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from btc_ai.learning.memory.backend import Reading

POINTS = {
    "forward": "aten.addmm.default",
    "backward": "aten.native_layer_norm_backward.default",
    "step": "aten._fused_adamw_.default",
    "average": "aten._foreach_lerp_.Scalar",
    "market": "aten.isnan.default",
    "choice": "aten.argmax.default",
    "state": "aten.clone.default",
}
HALF_DONE = ("step", "average")


class Faults(TorchDispatchMode):
    """torch.OutOfMemoryError at an operation, the first `times` times that `when()` holds.

    Operations on lists of tensors are done for half of them first.
    """

    def __init__(self, point: str, times: int, when: Callable[[], bool] = lambda: True) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.left, self._point, self._when = times, point, when

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if self.left and str(func) == POINTS[self._point] and self._when():
            self.left -= 1
            if self._point in HALF_DONE:
                half = len(args[0]) // 2
                first = [a[:half] if isinstance(a, list | tuple) else a for a in args]
                func(*first, **(kwargs or {}))
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.\nMore")
        return func(*args, **(kwargs or {}))


@dataclass
class Card:
    """A MemoryBackend whose readings the test sets."""

    name: str = "GPU"
    reading: Reading = field(default_factory=lambda: Reading(100, 60, 10))
    emptied: int = 0

    def read(self) -> Reading:
        return self.reading

    def empty_cache(self) -> None:
        self.emptied += 1
