"""The learners that can be chosen, by name."""

import torch

from btc_ai.learning.environment import MarketEnvironment
from btc_ai.learning.learners.cfq import CounterfactualQ
from btc_ai.learning.learners.dqn import DoubleDQN
from btc_ai.learning.learners.learner import NO_GUIDANCE, Guidance, Learner
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
    guidance: Guidance = NO_GUIDANCE,
) -> Learner:
    """The learner that the settings name."""
    learners: dict[LearnerName, type[CounterfactualQ | PQN | DoubleDQN]] = {
        "cfq": CounterfactualQ,
        "pqn": PQN,
        "dqn": DoubleDQN,
    }
    return learners[settings.learner](
        environment, network, settings, generator=generator, guidance=guidance
    )
