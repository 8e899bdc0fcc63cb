"""The known markets, by name."""

from btc_ai.learning.markets.autoregressive import AutoregressiveMarket
from btc_ai.learning.markets.gap import GapMarket
from btc_ai.learning.markets.market import KnownMarket
from btc_ai.learning.markets.martingale import Martingale
from btc_ai.learning.markets.ornstein_uhlenbeck import OrnsteinUhlenbeck
from btc_ai.learning.markets.sinusoid import Sinusoid
from btc_ai.learning.markets.telegraph import Telegraph

LAG_TEST = "G6"


def known_markets() -> dict[str, KnownMarket]:
    """All of them as they are meant to be learned, in the order of the tables."""
    markets: tuple[KnownMarket, ...] = (
        Telegraph(),
        AutoregressiveMarket(),
        OrnsteinUhlenbeck(),
        Sinusoid(),
        Martingale(),
        Martingale(
            reaction=0.1,
            memory=0.85,
            freedom=5.0,
            name="G5-GARCH",
            title="martingale with wild stretches (GARCH-t)",
        ),
        AutoregressiveMarket(
            name=LAG_TEST,
            title="lag test: G2 by its realised returns",
            features=("signal", "bar", "noise"),
        ),
        GapMarket(),
    )
    return {market.name: market for market in markets}
