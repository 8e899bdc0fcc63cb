"""Learner: a learning algorithm, and what a plugin writes to add one. Free of torch.

Sizes: W windows an update, T decisions a window, n bars. Positions −1, 0 and +1 have the indices
0, 1 and 2. The network gives U(x, a), and Q(x, k, a) = U(x, a) − cost·|a − k| is the value of going
from position k to a.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from btc_ai.errors import PluginError

if TYPE_CHECKING:
    from torch import Generator, Tensor, device


class Market(Protocol):
    """The training market of one bucket. Bars are int64, counted from the first candle."""

    @property
    def device(self) -> "device":
        """Where to compute; it changes between two builds of a learner where memory is short."""

    @property
    def interval(self) -> int:
        """Bars between two decisions."""

    @property
    def discount(self) -> float:
        """Discount of one decision."""

    @property
    def cost_scaled(self) -> float:
        """Cost of one unit of turnover, in rewards."""

    def features(self, bars: "Tensor") -> "Tensor":
        """What is seen at the close of some bars [n]: float32 [n, columns], on `device`."""

    def train_starts(self) -> "Tensor":
        """Bars of the training part at which a window of T decisions may start."""

    def train_rewards(self) -> "Tensor":
        """Reward of a position of +1 taken at each bar until the next decision: float32 [bars]."""

    def fetch(self, table: "Tensor", bars: "Tensor") -> "Tensor":
        """Rows of a table of all bars [bars, …], on `device`; bars of any shape."""


class Network(Protocol):
    """The network to train, in place: a torch module of this program's own."""

    @property
    def columns(self) -> tuple[str, ...]:
        """What its inputs are."""

    def encode(self, features: "Tensor", /) -> "Tensor":
        """[n, columns] to what the heads see [n, hidden]."""

    def values(self, hidden: "Tensor", /) -> "Tensor":
        """[n, hidden] to U [n, 3]."""

    def predict(self, hidden: "Tensor", /) -> "Tensor":
        """[n, hidden] to expected returns over σ·√h [n, horizons]; training it is voluntary."""

    def parameters(self) -> Any:
        """Its weights, as of any torch module."""


class LearnerSettings(Protocol):
    """The settings that a learner may follow; a frozen dataclass."""

    @property
    def learning_rate(self) -> float:
        """LEARNING_RATE."""

    @property
    def batch_size(self) -> int:
        """BATCH_SIZE; less where memory is short."""

    @property
    def buffer_size(self) -> int:
        """BUFFER_SIZE."""

    @property
    def lanes(self) -> int:
        """W: for a plugin's learner `batch_size`."""

    @property
    def window(self) -> int:
        """T."""

    @property
    def updates(self) -> int:
        """Updates of the whole run."""


class LearnerGuidance(Protocol):
    """What a transfer advises besides the network to begin with; it may be left unheeded."""

    @property
    def frozen_updates(self) -> int:
        """The trunk stays as it is for so many updates."""

    @property
    def teacher(self) -> Network | None:
        """A network with the same columns, to follow for the first tenth of the run."""

    @property
    def horizon_weights(self) -> tuple[float, ...] | None:
        """Of the loss of each horizon at the start, going back to 1 along the run."""


@dataclass(frozen=True)
class Update:
    """One update: its loss, and what the greedy policy would have done on the bars it saw.

    loss: scalar. bars: int64 [T, W], the bar of each decision of each window.
    table: int64 [T, W, 3], index of the greedy position for each position held before.
    Raises PluginError where the shapes differ.
    """

    loss: "Tensor"
    bars: "Tensor"
    table: "Tensor"

    def __post_init__(self) -> None:
        """Refuse a table that is not of these bars."""
        bars, table = tuple(self.bars.shape), tuple(self.table.shape)
        if len(bars) != 2 or table != (*bars, 3):
            raise PluginError(
                f"a learner's update has bars {list(bars)} and a table {list(table)}; they must be "
                "[T, W] and [T, W, 3]"
            )


class Learner(Protocol):
    """Learns a Q-network from one market.

    All of its state, optimizer, counters and random generator included, is in `state_dict`, so
    that a learner which loads it goes on as if it had never stopped, to the last bit. It draws
    random numbers from its generator alone.
    """

    @property
    def policy(self) -> Any:
        """The network to act, validate and save with: the one given, or a deep copy of it."""

    def update(self) -> Update:
        """Gather experience and learn from it; a run may be stopped between two updates."""

    def state_dict(self) -> "dict[str, Tensor]":
        """Copies of everything on the CPU, by name; no name begins with `best.`."""

    def load_state_dict(self, state: "dict[str, Tensor]") -> None:
        """Go on from a state of `state_dict`."""


@runtime_checkable
class Accumulating(Protocol):
    """What a learner may offer besides: gradients added chunk by chunk, to save memory."""

    @property
    def chunks(self) -> int:
        """Chunks that an update is made of."""
        ...

    def accumulate(self) -> None:
        """Hold one chunk in memory at a time; what is learned stays the same, to the last bit."""
        ...


class MakeLearner(Protocol):
    """Makes a learner of `network`; the same arguments make the same learner."""

    def __call__(
        self, environment: Market, network: Network, settings: LearnerSettings, *,
        generator: "Generator", guidance: LearnerGuidance,
    ) -> Learner:  # fmt: skip
        """`generator` is on the CPU. Raises BtcAiError for settings that it cannot use."""


class LearnerRegistry(Protocol):
    """Takes learners by name."""

    def register(self, name: str, make: MakeLearner) -> None:
        """Add a learner. Raises PluginError where the name is taken."""

    def get(self, name: str) -> MakeLearner:
        """A built-in learner (cfq, pqn, dqn), to build upon."""
