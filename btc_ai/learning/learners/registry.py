"""The learners that can be chosen, by name."""

import torch

from btc_ai.errors import ConfigError
from btc_ai.learning.environment import MarketEnvironment
from btc_ai.learning.learners.cfq import CounterfactualQ
from btc_ai.learning.learners.learner import Learner
from btc_ai.learning.network import QNetwork
from btc_ai.learning.settings import TrainingSettings


def make_learner(
    environment: MarketEnvironment,
    network: QNetwork,
    settings: TrainingSettings,
    *,
    generator: torch.Generator,
    frozen_updates: int = 0,
) -> Learner:
    """The learner that the settings name; raises ConfigError for one that there is not."""
    learners = {"cfq": CounterfactualQ}
    if settings.learner not in learners:
        known = ", ".join(learners)
        raise ConfigError(f"LEARNER is {settings.learner!r}; it must be one of: {known}")
    return learners[settings.learner](
        environment, network, settings, generator=generator, frozen_updates=frozen_updates
    )
