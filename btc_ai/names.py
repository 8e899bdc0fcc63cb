"""Names that configuration, command line and engine share; light, for `btc-ai status` loads it."""

from typing import Literal

BUILTIN_LEARNERS = ("cfq", "pqn", "dqn")
"""The learning algorithms that there are without any plugin."""

TransferKind = Literal["weights", "features", "horizons"]
"""What knowledge transfer carries: KNOWLEDGE_TRANSFER's three switches."""

BUILTIN_EXECUTORS = ("inline", "process")
"""Where the tasks of a study can run without any plugin."""

TransferVerify = Literal["off", "twin", "study"]
"""How a transfer is measured: KNOWLEDGE_TRANSFER.TRANSFER_VERIFY."""
