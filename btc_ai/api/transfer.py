"""What planning a knowledge transfer and carrying it out have in common. Free of torch."""

from collections.abc import Sequence
from typing import get_args

from btc_ai.config import Config
from btc_ai.names import TransferKind

KINDS: tuple[TransferKind, ...] = get_args(TransferKind)
LADDER: tuple[tuple[TransferKind, ...], ...] = (
    KINDS, ("weights", "horizons"), ("horizons",), (),
)  # fmt: skip
"""From the hungriest form of transfer to none at all."""
COPIES: dict[TransferKind, int] = {"weights": 4, "features": 2, "horizons": 1}
"""Networks that a kind holds: weights have the source, what is carried, the target, the teacher."""
MB = 1 << 20
ROOM_MB = {"weights": 32.0, "features": 8.0, "horizons": 1.0}
"""What else a kind may need, above all the teacher's activations at a large batch."""


def switched_on(config: Config) -> list[TransferKind]:
    """The kinds that KNOWLEDGE_TRANSFER asks for."""
    section = config.KNOWLEDGE_TRANSFER
    switches = {
        "weights": section.TRANSFER_WEIGHTS,
        "features": section.TRANSFER_FEATURES,
        "horizons": section.TRANSFER_HORIZONS,
    }
    return [kind for kind in KINDS if section.ENABLED and switches[kind]]


def ladder(asked: Sequence[TransferKind]) -> list[tuple[TransferKind, ...]]:
    """What is asked for, and the less hungry forms of it that are left when memory is short."""
    forms = [tuple(kind for kind in rung if kind in asked) for rung in LADDER]
    return list(dict.fromkeys(forms))


def expected_mb(kinds: Sequence[TransferKind], weights_bytes: int) -> float:
    """Memory in MiB that a transfer of `kinds` takes at most, from the size of a weights file."""
    copies = max((COPIES[kind] for kind in kinds), default=0) + ("features" in kinds)
    return round(copies * weights_bytes / MB + sum(ROOM_MB[kind] for kind in kinds), 1)
