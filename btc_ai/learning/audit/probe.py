"""Networks to probe with: one whose policy trades, and one that is trained for a moment."""

import dataclasses

import torch

from btc_ai.learning.audit.subject import Subject
from btc_ai.learning.environment import MarketEnvironment
from btc_ai.learning.learners.registry import make_learner
from btc_ai.learning.network import QNetwork
from btc_ai.learning.settings import TrainingSettings

UPDATES = 150
LEARNING_RATE = 2e-3
BATCH_SIZE = 32
WINDOW = 32
LEAST_COST = 0.01


def trading_network(subject: Subject) -> QNetwork:
    """A random network whose policy trades, its values of about the size of the cost."""
    generator = torch.Generator().manual_seed(subject.seed)
    network = QNetwork(subject.dataset.columns, subject.settings.horizons, generator)
    with torch.no_grad():
        size = max(subject.environment.cost_scaled, LEAST_COST) / 2
        network.values.weight.normal_(std=size, generator=generator)
    return network


def probe_settings(settings: TrainingSettings, cost_bps: float) -> TrainingSettings:
    """The bucket's horizons and features, a short training with the default learner."""
    return dataclasses.replace(
        TrainingSettings("", settings.min_horizon, settings.max_horizon, settings.features),
        bucket=settings.bucket,
        cost_bps=cost_bps,
        learning_rate=LEARNING_RATE,
        batch_size=BATCH_SIZE,
        window=WINDOW,
        buffer_size=BATCH_SIZE * WINDOW,
        episodes=UPDATES,
    )


def short_training(subject: Subject) -> tuple[QNetwork, MarketEnvironment]:
    """Train on the subject with its own settings, a few CPU-seconds, choosing nothing."""
    environment, settings = subject.environment, subject.settings
    generator = torch.Generator().manual_seed(subject.seed)
    network = QNetwork(subject.dataset.columns, settings.horizons, generator)
    learner = make_learner(environment, network, settings, generator=generator)
    for _ in range(settings.updates):
        subject.stop_if_asked()
        learner.update()
    return learner.policy, environment
