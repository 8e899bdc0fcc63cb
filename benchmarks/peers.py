"""stable-baselines3 on our markets: the same network, the same observations, one bar a step."""

from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import nn

from btc_ai.learning.environment import FLAT, MarketEnvironment
from btc_ai.learning.network import HIDDEN, POSITIONS

BATCH, EVERY = 32, 4
"""stable-baselines3's DQN learns from 32 transitions every 4 steps: a replay ratio of 8."""

Observation = NDArray[np.float32]
Peer: TypeAlias = DQN | PPO


class TradingEnv(gym.Env[Observation, np.int64]):
    """The same market one step at a time; the observation adds the position held."""

    def __init__(self, market: MarketEnvironment) -> None:
        """Episodes of 1,000 bars from random starts in the training part."""
        self.features = market.dataset.features.numpy()
        self.rewards = np.nan_to_num(market.returns) / market.scale
        self.cost = market.cost_scaled
        self.last = market.dataset.splits.train.stop - 1_002
        size = self.features.shape[1] + 1
        self.observation_space = gym.spaces.Box(-5, 5, (size,), np.float32)
        self.action_space = gym.spaces.Discrete(len(POSITIONS))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start flat at a random bar."""
        super().reset(seed=seed, options=options)
        self.bar = int(self.np_random.integers(self.last))
        self.end, self.held = self.bar + 1_000, FLAT
        return self._observe(), {}

    def step(self, action: np.int64) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Take a position for one bar."""
        change = abs(POSITIONS[action] - POSITIONS[self.held])
        reward = POSITIONS[action] * self.rewards[self.bar] - self.cost * change
        self.held, self.bar = int(action), self.bar + 1
        return self._observe(), float(reward), False, self.bar >= self.end, {}

    def _observe(self) -> Observation:
        return np.append(self.features[self.bar], np.float32(POSITIONS[self.held]))


class LayerNormTrunk(BaseFeaturesExtractor):
    """The trunk of our Q-network, in stable-baselines3's terms."""

    def __init__(self, observation_space: gym.spaces.Box) -> None:
        """Two hidden layers of 128 with LayerNorm."""
        super().__init__(observation_space, HIDDEN)
        self.layers = nn.Sequential(
            nn.Linear(observation_space.shape[0], HIDDEN),
            nn.LayerNorm(HIDDEN),
            nn.ReLU(inplace=True),
            nn.Linear(HIDDEN, HIDDEN),
            nn.LayerNorm(HIDDEN),
            nn.ReLU(inplace=True),
        )

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """[n, features] to [n, 128]."""
        hidden: torch.Tensor = self.layers(observations)
        return hidden


POLICY: dict[str, Any] = {"features_extractor_class": LayerNormTrunk, "net_arch": []}


def make_dqn(environment: MarketEnvironment, discount: float, warm_up: int = 1_000) -> DQN:
    """DQN at the guide's settings: batches of 32, a buffer of 10,000, learning rate 5e-4."""
    return DQN(
        "MlpPolicy", TradingEnv(environment), learning_rate=5e-4, gamma=discount, batch_size=BATCH,
        train_freq=EVERY, gradient_steps=1, buffer_size=10_000, learning_starts=warm_up,
        policy_kwargs=POLICY, seed=0, device="cpu",
    )  # fmt: skip


def make_ppo(environment: MarketEnvironment, discount: float) -> PPO:
    """PPO at its own defaults, with the same network and learning rate."""
    return PPO(
        "MlpPolicy", TradingEnv(environment), learning_rate=5e-4, gamma=discount,
        policy_kwargs=POLICY, seed=0, device="cpu",
    )  # fmt: skip


def greedy_table(model: Peer, features: Observation) -> NDArray[np.int64]:
    """Index of the greedy position for each position held before [bars, 3]."""
    columns = []
    for held in POSITIONS:
        position = np.full((len(features), 1), held, dtype=np.float32)
        actions, _ = model.predict(np.hstack([features, position]), deterministic=True)
        columns.append(actions)
    return np.stack(columns, axis=1).astype(np.int64)
