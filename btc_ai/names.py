"""Names that configuration, command line and engine share; light, for `btc-ai status` loads it."""

from typing import Literal

LearnerName = Literal["cfq", "pqn", "dqn"]
