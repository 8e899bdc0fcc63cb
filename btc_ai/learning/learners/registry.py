"""The learners that can be chosen, by name."""

import torch

from btc_ai.learning.environment import MarketEnvironment
from btc_ai.learning.learners.cfq import CounterfactualQ
from btc_ai.learning.learners.dqn import DoubleDQN
from btc_ai.learning.learners.learner import Learner
from btc_ai.learning.learners.pqn import PQN
from btc_ai.learning.network import QNetwork
from btc_ai.learning.settings import TrainingSettings
from btc_ai.names import LearnerName


def make_learner(
    environment: MarketEnvironment,
    network: QNetwork,
    settings: TrainingSettings,
    *,
    generator: torch.Generator,
    frozen_updates: int = 0,
) -> Learner:
    """The learner that the settings name."""
    learners: dict[LearnerName, type[CounterfactualQ | PQN | DoubleDQN]] = {
        "cfq": CounterfactualQ,
        "pqn": PQN,
        "dqn": DoubleDQN,
    }
    return learners[settings.learner](
        environment, network, settings, generator=generator, frozen_updates=frozen_updates
    )
