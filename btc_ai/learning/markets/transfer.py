"""G8, transfer: two G2 markets, of which the second can be learned with what the first one taught.

    shared     both follow the same signal: what was learned must help
    flipped    the source follows the signal with the other sign: it must be taken back

The paths differ, and so do the places of the features: the source lists them in another order and
sees `bar` besides, which foretells nothing, so that whatever matched by position would go wrong.
Values and optimum of the target are those of G2. Data can be made scarce by asking for few bars.
"""

from dataclasses import dataclass
from pathlib import Path

from btc_ai.learning.bucket import BucketResult, train_bucket
from btc_ai.learning.markets.autoregressive import AutoregressiveMarket
from btc_ai.learning.markets.datasets import features_of, settings_for
from btc_ai.learning.markets.market import KnownMarket
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.start import InitialModel

SCARCE_BARS = 8_000
ELSEWHERE = 2_000_000
"""Added to the seed for the source's path."""


@dataclass(frozen=True)
class TransferMarket:
    """G8. `flipped`: the sign of what the source's signal foretells is turned round.

    beta: how much the signal foretells, as in G2.
    """

    flipped: bool = False
    beta: float = AutoregressiveMarket.beta
    name: str = "G8"

    @property
    def source(self) -> KnownMarket:
        """Where knowledge comes from."""
        return AutoregressiveMarket(
            beta=-self.beta if self.flipped else self.beta,
            name=f"{self.name}-source",
            title=f"{'sign-flipped' if self.flipped else 'shared'} source",
            features=("noise", "bar", "signal"),
        )

    @property
    def target(self) -> KnownMarket:
        """Where it goes: G2 under another name."""
        return AutoregressiveMarket(beta=self.beta, name=self.name, title="target of a transfer")

    def train_source(
        self, settings: TrainingSettings, directory: Path, *, seed: int, bars: int
    ) -> BucketResult:
        """Train the source's model; of `settings` all but features, cost and seed count."""
        return _train(self.source, settings, directory, None, seed + ELSEWHERE, bars)

    def train_target(
        self,
        settings: TrainingSettings,
        directory: Path,
        initial: InitialModel | None,
        *,
        seed: int,
        bars: int,
    ) -> BucketResult:
        """Train the target's model, from scratch without `initial`; same seed, same path."""
        return _train(self.target, settings, directory, initial, seed, bars)


def _train(
    market: KnownMarket,
    settings: TrainingSettings,
    directory: Path,
    initial: InitialModel | None,
    seed: int,
    bars: int,
) -> BucketResult:
    own = settings_for(market, settings, seed)
    candles = market.candles(bars, seed)
    return train_bucket(own, candles, features_of(market), directory, initial=initial)
