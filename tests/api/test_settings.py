"""What the configuration says of a bucket and of a market."""

from pathlib import Path

import pytest

from btc_ai.api.settings import bucket_settings, market_of, milliseconds
from btc_ai.config import SAMPLE_SYMBOL, Config
from btc_ai.errors import UsageError


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config.model_validate(
        {"SYMBOL": "ETH/USDT", "INTERVAL": "1h"}, context={"base": tmp_path}
    )


def test_what_is_not_given_is_configured(config: Config) -> None:
    stored = {"market": None, "symbol": "ETH/USDT", "interval": "1h"}
    assert market_of(config, None, None, None) == stored
    assert market_of(config, None, "BTC/USDT", "5m") == {
        "market": None, "symbol": "BTC/USDT", "interval": "5m",
    }  # fmt: skip
    sample = {"market": "sample", "symbol": SAMPLE_SYMBOL, "interval": "5m"}
    assert market_of(config, "sample", None, None) == sample


@pytest.mark.parametrize(
    ("market", "symbol", "interval", "says"),
    [
        ("mars", None, None, "unknown market 'mars'"),
        ("sample", "ETH/USDT", None, "exclude each other"),
        (None, None, "soon", "'soon' is no interval"),
    ],
)
def test_markets_that_there_are_not(
    config: Config, market: str | None, symbol: str | None, interval: str | None, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        market_of(config, market, symbol, interval)


def test_buckets_that_there_are_not(config: Config) -> None:
    with pytest.raises(UsageError, match="did you mean 'Medium'"):
        bucket_settings(config, "Medum", 0, 1)
    with pytest.raises(UsageError, match="MAX_EPISODES"):
        bucket_settings(config, "Medium", 0, 101)


def test_times_are_utc_unless_they_say_otherwise() -> None:
    assert milliseconds("--at", None) is None
    assert milliseconds("--at", "1970-01-02") == 86_400_000
    assert milliseconds("--at", "1970-01-01T01:00+01:00") == 0
    with pytest.raises(UsageError, match="--at 'soon' is no date or time"):
        milliseconds("--at", "soon")
