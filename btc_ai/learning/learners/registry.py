"""The learners that can be chosen, by name: the built-in ones and those of plugins."""

from typing import cast

import torch
from torch import Tensor

from btc_ai.api.learner import MakeLearner
from btc_ai.api.registration import register_declared
from btc_ai.errors import PluginError
from btc_ai.learning.environment import MarketEnvironment
from btc_ai.learning.files import code_sha256
from btc_ai.learning.learners.cfq import CounterfactualQ
from btc_ai.learning.learners.dqn import DoubleDQN
from btc_ai.learning.learners.learner import NO_GUIDANCE, Guidance, Learner
from btc_ai.learning.learners.pqn import PQN
from btc_ai.learning.network import QNetwork
from btc_ai.learning.selection import BEST, BLOCKS, PEAK
from btc_ai.learning.settings import TrainingSettings
from btc_ai.names import BUILTIN_LEARNERS

BUILTIN = {"cfq": CounterfactualQ, "pqn": PQN, "dqn": DoubleDQN}


class Learners:
    """Makes of learners by name."""

    def __init__(self) -> None:
        """The built-in ones; they take no other environment than the trainer's."""
        self._makes = {name: cast(MakeLearner, make) for name, make in BUILTIN.items()}

    def register(self, name: str, make: MakeLearner) -> None:
        """Add a learner; raises PluginError where the name is taken."""
        if name in self._makes:
            raise PluginError(f"learner {name!r} is registered already: choose another name")
        self._makes[name] = make

    def get(self, name: str) -> MakeLearner:
        """The learner's make; raises PluginError where it is not registered."""
        if name not in self._makes:
            raise PluginError(
                f"learner {name!r} is not registered by the plugin that declares it; registered "
                f"are {', '.join(self._makes)}"
            )
        return self._makes[name]


def find_learner(name: str) -> MakeLearner:
    """The make of a learner; its plugin is imported where it is of one.

    Raises PluginError where no usable plugin adds it, or where that fails.
    """
    learners = Learners()
    if name not in BUILTIN_LEARNERS:
        register_declared("learners", name, learners)
    return learners.get(name)


def make_learner(
    environment: MarketEnvironment,
    network: QNetwork,
    settings: TrainingSettings,
    *,
    generator: torch.Generator,
    guidance: Guidance = NO_GUIDANCE,
) -> Learner:
    """The learner that the settings name; raises PluginError where a plugin's cannot be used."""
    make = find_learner(settings.learner)
    made = make(environment, network, settings, generator=generator, guidance=guidance)
    if settings.learner not in BUILTIN_LEARNERS:
        _require_contract(settings.learner, made.policy, made.state_dict(), network)
    return made


def _require_contract(
    name: str, policy: object, state: dict[str, Tensor], network: QNetwork
) -> None:
    if not isinstance(policy, QNetwork) or policy.columns != network.columns:
        raise PluginError(
            f"learner {name!r}: its policy must be the network that it was given or a deep copy"
        )
    for key, value in state.items():
        if not isinstance(value, Tensor):
            raise PluginError(
                f"learner {name!r}: {key!r} in its state is a {type(value).__name__}, not a tensor"
            )
        if key.startswith(BEST) or key in (BLOCKS, PEAK):
            raise PluginError(f"learner {name!r}: call {key!r} in its state by another name")


def added_learner(name: str) -> dict[str, str]:
    """Of a learner that is not built in, the SHA-256 of the file that it stands in; else nothing.

    Raises PluginError as `find_learner`.
    """
    if name in BUILTIN_LEARNERS:
        return {}
    return {f"learner {name}": code_sha256(find_learner(name))}
