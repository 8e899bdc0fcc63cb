import dataclasses

import pytest

from btc_ai.errors import ConfigError
from btc_ai.learning.settings import TrainingSettings, differences, fingerprint

SHORT = TrainingSettings("Short", 6, 144, ("price", "volume"))


def test_horizons_are_geometric_as_in_the_guide_of_the_engine() -> None:
    assert SHORT.horizons == (6, 13, 29, 65, 144)
    assert TrainingSettings("Tiny", 1, 2, ("price",)).horizons == (1, 2)


@pytest.mark.parametrize(
    ("longest", "discount"), [(72, 0.99), (144, 0.99499), (288, 0.99749), (576, 0.99874)]
)
def test_discount_per_bar_follows_the_longest_horizon(longest: int, discount: float) -> None:
    settings = TrainingSettings("Any", 1, longest, ("price",))
    assert settings.discount == pytest.approx(discount, abs=1e-5)


def test_an_episode_is_the_buffer_size_in_whole_updates() -> None:
    assert SHORT.updates_per_episode == 10
    assert dataclasses.replace(SHORT, buffer_size=1).updates_per_episode == 1


@pytest.mark.parametrize(
    ("learner", "batch_size", "buffer_size", "lanes", "updates"),
    [
        ("pqn", 32, 10_000, 128, 2),
        ("pqn", 50, 10_000, 150, 2),
        ("pqn", 1_000, 10_000, 1_000, 1),
        ("dqn", 32, 10_000, 64, 5),
        ("dqn", 1_000, 10_000, 64, 5),
        ("dqn", 32, 10, 10, 1),
    ],
)
def test_an_episode_is_whole_windows_of_all_accounts(
    learner: str, batch_size: int, buffer_size: int, lanes: int, updates: int
) -> None:
    settings = dataclasses.replace(
        SHORT, learner=learner, batch_size=batch_size, buffer_size=buffer_size
    )
    assert settings.lanes == lanes
    assert settings.updates_per_episode == updates


def test_settings_survive_json() -> None:
    assert TrainingSettings.from_json(SHORT.to_json()) == SHORT
    with pytest.raises(ConfigError, match="momentum"):
        TrainingSettings.from_json({**SHORT.to_json(), "momentum": 1})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"min_horizon": 144}, "MIN_HORIZON 144.*BUCKET_CONFIGS.Short"),
        ({"gamma": 1.0}, "GAMMA is 1.0"),
        ({"episodes": 0}, "EPISODES is 0"),
    ],
)
def test_values_that_cannot_be_trained_with_are_refused(
    change: dict[str, float | str], named: str
) -> None:
    with pytest.raises(ConfigError, match=named):
        dataclasses.replace(SHORT, **change)  # type: ignore[arg-type]


def test_differences_name_both_sides() -> None:
    def of(settings: TrainingSettings, data: str) -> dict[str, object]:
        return fingerprint(settings, data_sha256=data, device="cpu", origin=None)

    faster = dataclasses.replace(SHORT, learning_rate=0.001)
    assert differences(of(SHORT, "aa"), of(SHORT, "aa")) == []
    assert differences(of(SHORT, "aa"), of(faster, "bb")) == [
        "candles: aa in the run, bb now",
        "learning_rate: 0.0005 in the run, 0.001 now",
    ]
