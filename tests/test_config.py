import copy
import json
import logging
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from btc_ai.config import (
    BUILTIN_FEATURES,
    BucketConfig,
    Config,
    Dashboard,
    History,
    KnowledgeTransfer,
    Logging,
    Monitoring,
    PluginSection,
    ProgressiveTraining,
    Remote,
    Supervision,
    UpdateSystem,
    load_config,
    restore_config,
)
from btc_ai.errors import BtcAiError, ConfigError
from btc_ai.market.features import builtin_features
from btc_ai.names import BUILTIN_LEARNERS

REPOSITORY = Path(__file__).parents[1]
SHIPPED = REPOSITORY / "config" / "btc_ai.json"
GUIDE = REPOSITORY.parent / "shared" / "spec" / "guide.md"
SECTIONS = (
    Config, BucketConfig, ProgressiveTraining, KnowledgeTransfer, Monitoring, Dashboard, History,
    UpdateSystem, Logging, PluginSection, Remote, Supervision,
)  # fmt: skip
NOBODY = 65534


def guide() -> dict[str, Any]:
    return dict(json.loads(SHIPPED.read_text()))


def write(folder: Path, value: object) -> Path:
    path = folder / "btc_ai.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def refusal(folder: Path, value: object) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(write(folder, value))
    return str(caught.value)


def change(path: str, value: object) -> dict[str, Any]:
    """The guide's configuration with one value changed."""
    made = guide()
    *outer, last = path.split(".")
    place = made
    for key in outer:
        place = place[key]
    place[last] = value
    return made


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root passes every permission check: step down for a moment."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(not GUIDE.exists(), reason=f"the guide is not at {GUIDE}")
def test_shipped_file_is_the_guides() -> None:
    blocks = re.findall(r"```json\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert guide() in [json.loads(block) for block in blocks if "MODELS_DIR" in block]


def guides(value: Any, expected: Any) -> Any:
    """What the guide says of a section; keys that it lacks have defaults."""
    return {key: value[key] for key in expected} if isinstance(expected, dict) else value


def test_shipped_file_loads_unchanged() -> None:
    config = load_config(SHIPPED)
    dumped = config.model_dump(mode="json")
    for key, value in guide().items():
        if not key.endswith("_DIR"):
            assert guides(dumped[key], value) == value, key
    assert config.MODELS_DIR == REPOSITORY / "Models"
    assert config.DATA_DIR == REPOSITORY / "Data"
    assert config.LOG_DIR == REPOSITORY / "Logs"


def test_directories_are_relative_to_the_file_not_to_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir("/")
    monkeypatch.setenv("HOME", "/home/somebody")
    path = write(inner, {"MODELS_DIR": "../M", "DATA_DIR": "/abs", "LOG_DIR": "~/logs"})
    config = load_config(path)
    assert tmp_path / "a" / "M" == config.MODELS_DIR
    assert Path("/abs") == config.DATA_DIR
    assert Path("/home/somebody/logs") == config.LOG_DIR


@pytest.mark.parametrize("value", ["~no-such-user/x", "a\0b", "", 5, None, ["x"]])
def test_unusable_directory(tmp_path: Path, value: object) -> None:
    assert "MODELS_DIR: " in refusal(tmp_path, {"MODELS_DIR": value})


def test_directory_through_a_circle_of_links(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to(tmp_path / "two")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    assert "MODELS_DIR" in refusal(tmp_path, {"MODELS_DIR": "one/x"})


def test_everything_wrong_is_named_at_once(tmp_path: Path) -> None:
    wrong = guide()
    wrong["GAMA"] = wrong.pop("GAMMA")
    wrong["BATCH_SIZE"] = "32"
    wrong["MEMORY_WARNING_PERCENT"] = 0.9
    wrong["LOGGING"]["LEVEL"] = "LOUD"
    wrong["LOGGING"]["BACKUPS"] = 1
    wrong["BUCKET_CONFIGS"]["Short"]["FEATURES"] = ["price", "RSI"]
    wrong["BUCKET_CONFIGS"]["Long"]["MIN_HORIZN"] = 5
    wrong["BUCKET_CONFIGS"]["Medium"] |= {"MIN_HORIZON": 288}
    del wrong["BUCKET_CONFIGS"]["Scalping"]["MAX_HORIZON"]
    text = refusal(tmp_path, wrong)
    lines = {line.split(":")[0].strip(): line for line in text.splitlines()[1:]}
    assert "did you mean 'GAMMA'" in lines["GAMA"]
    assert '"32"' in lines["BATCH_SIZE"] and "integer" in lines["BATCH_SIZE"]
    assert "0.9" in lines["MEMORY_WARNING_PERCENT"] and "0.85" in lines["MEMORY_WARNING_PERCENT"]
    assert '"LOUD"' in lines["LOGGING.LEVEL"] and "'WARNING'" in lines["LOGGING.LEVEL"]
    assert "unknown key" in lines["LOGGING.BACKUPS"]
    assert "did you mean 'rsi'" in lines["BUCKET_CONFIGS.Short.FEATURES"]
    assert "did you mean 'MIN_HORIZON'" in lines["BUCKET_CONFIGS.Long.MIN_HORIZN"]
    assert "must be above MIN_HORIZON 288" in lines["BUCKET_CONFIGS.Medium.MAX_HORIZON"]
    assert "is missing" in lines["BUCKET_CONFIGS.Scalping.MAX_HORIZON"]
    assert f"{len(lines)} to mend" in text
    assert len(lines) == 9


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("BUCKET_CONFIGS.Short.MIN_HORIZON", 144, "must be above MIN_HORIZON 144"),
        ("BUCKET_CONFIGS.Short.MIN_HORIZON", 0, "greater than or equal to 1"),
        ("BUCKET_CONFIGS.Short.MAX_HORIZON", 100_000, "less than 100000"),
        ("BUCKET_CONFIGS.Short.MIN_HORIZON", 6.0, "integer"),
        ("BUCKET_CONFIGS.Short.FEATURES", [], "at least 1"),
        ("BUCKET_CONFIGS.Short.FEATURES", ["price", "price"], "twice"),
        ("BUCKET_CONFIGS.Short.FEATURES", ["boll"], "unknown feature 'boll'"),
        ("BUCKET_CONFIGS", {}, "at least 1"),
        ("BUFFER_SIZE", 10**30, "less than or equal to 10000000"),
        ("BATCH_SIZE", 64_000_000, "64000000 should be less than or equal to 65536"),
        ("MONITORING.UPDATE_INTERVAL", 5e6, "less than or equal to 3600"),
        ("LOGGING.MAX_FILE_SIZE_MB", 1e308, "less than or equal to 1000000"),
        (
            "BUCKET_CONFIGS",
            {"../x": guide()["BUCKET_CONFIGS"]["Short"]},
            "'../x' is no name of a bucket",
        ),
        ("MEMORY_LIMIT_PERCENT", 1.01, "less than or equal to 1"),
        ("MEMORY_LIMIT_PERCENT", 85, "less than or equal to 1"),
        ("MEMORY_WARNING_PERCENT", -0.1, "greater than or equal to 0"),
        ("MEMORY_WARNING_PERCENT", 0.86, "MEMORY_LIMIT_PERCENT (0.85)"),
        ("KNOWLEDGE_TRANSFER.MAX_MEMORY_USAGE", 1.5, "less than or equal to 1"),
        ("PROGRESSIVE_TRAINING.SEQUENCE", ["Short", "Short"], "names a bucket twice"),
        ("PROGRESSIVE_TRAINING.SEQUENCE", ["Scalping", "Medum"], "did you mean 'Medium'"),
        ("PROGRESSIVE_TRAINING.EPISODES_PER_BUCKET", 101, "MAX_EPISODES (100)"),
        ("PROGRESSIVE_TRAINING.EPISODES_PER_BUCKET", True, "integer"),
        ("PROGRESSIVE_TRAINING.PAUSE_BETWEEN_BUCKETS", -1, "greater than or equal to 0"),
        ("GAMMA", 1, "less than 1"),
        ("LEARNING_RATE", 0, "greater than 0"),
        ("USE_GPU", "yes", "boolean"),
        ("UPDATE_SYSTEM.UPDATE_SERVER", "ftp://x", "pattern"),
        ("LOGGING.LOG_FORMAT", "%(asctime)s", "must contain %(message)s"),
        ("LOGGING.LOG_FORMAT", "%%(message)s", "must contain %(message)s"),
        ("LOGGING.LOG_FORMAT", "%(mesage)s %(message)s", "mesage"),
        ("LOGGING.LOG_FORMAT", "%(message)c", "no format"),
        ("LOGGING.LOG_FORMAT", "%(message)999999999s", "narrower"),
        ("LOGGING.ROTATION_WHEN", "noon", "pattern"),
    ],
)
def test_out_of_order(tmp_path: Path, path: str, value: object, expected: str) -> None:
    wrong = change(path, value)
    if path == "BUCKET_CONFIGS":
        wrong["PROGRESSIVE_TRAINING"]["SEQUENCE"] = []
    text = refusal(tmp_path, wrong)
    assert expected in text
    assert path.rsplit(".", maxsplit=1)[-1] in text
    assert "1 to mend" in text


def test_sequence_and_episodes_are_both_named(tmp_path: Path) -> None:
    wrong = change("PROGRESSIVE_TRAINING.SEQUENCE", ["Nope", "Nope"])
    wrong["PROGRESSIVE_TRAINING"]["EPISODES_PER_BUCKET"] = 1000
    text = refusal(tmp_path, wrong)
    assert "PROGRESSIVE_TRAINING.SEQUENCE: " in text
    assert "unknown bucket 'Nope'; names a bucket twice" in text
    assert "PROGRESSIVE_TRAINING.EPISODES_PER_BUCKET: 1000" in text


def test_no_mistake_hides_another(tmp_path: Path) -> None:
    wrong = change("BUCKET_CONFIGS.Long", {"MIN_HORIZON": 9, "MAX_HORIZON": 3, "FEATURES": ["x"]})
    wrong["PROGRESSIVE_TRAINING"] |= {"SEQUENCE": ["Medum"], "ENABLED": 1}
    wrong["MAX_EPISODES"] = 10
    text = refusal(tmp_path, wrong)
    assert "5 to mend" in text
    for said in (
        "above MIN_HORIZON 9",
        "feature 'x'",
        "'Medium'",
        "ENABLED: 1",
        "MAX_EPISODES (10)",
    ):
        assert said in text


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "btc_ai.json"
    path.write_text('{"GAMMA": 0.9}', encoding="utf-8-sig")
    assert load_config(path).GAMMA == 0.9


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is not JSON"),
        ('{"GAMMA": 0.9,}', "line 1, column"),
        ("[]", "one JSON object"),
        ("null", "one JSON object"),
        ('{"GAMMA": 0.9, "GAMMA": 0.8}', "GAMMA stands there twice"),
        ('{"LOGGING": {"LEVEL": "INFO", "LEVEL": "INFO"}}', "LEVEL stands there twice"),
        ('{"GAMMA": NaN}', "NaN is no number"),
        ('{"COST_BPS": Infinity}', "Infinity is no number"),
        ('{"PROGRESSIVE_TRAINING": {"PAUSE_BETWEEN_BUCKETS": 1e999}}', "1e999 is no number"),
        ('{"PROGRESSIVE_TRAINING": {"PAUSE_BETWEEN_BUCKETS": 1' + "0" * 400 + "}}", "PAUSE"),
        ('{"SEED": 1' + "0" * 5000 + "}", "digits"),
        ("[" * 100_000, "too deep"),
        ('{"\\ud800": 1}', "ud800"),
        ('{"SYMBOL": "\\ud800"}', "SYMBOL"),
    ],
)
def test_no_usable_json(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in refusal(tmp_path, text)


def test_no_utf8(tmp_path: Path) -> None:
    path = tmp_path / "btc_ai.json"
    path.write_bytes(b'{"SYMBOL": "\xff"}')
    with pytest.raises(ConfigError, match="utf-8"):
        load_config(path)


def test_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="btc-ai config init"):
        load_config(tmp_path / "none.json")


def test_directory_in_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        load_config(tmp_path)


def test_unreadable_file() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        path = write(folder, {})
        path.chmod(0)
        with as_nobody(), pytest.raises(ConfigError, match="Permission denied"):
            load_config(path)


def test_defaults_without_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BTC_AI_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr("btc_ai.paths.SYSTEM_CONFIG", tmp_path / "etc.json")
    config = load_config()
    assert tmp_path / "data" / "btc-ai" / "Models" == config.MODELS_DIR
    expected, values = guide(), config.model_dump(mode="json")
    for key in expected.keys() - {"MODELS_DIR", "DATA_DIR", "LOG_DIR"}:
        assert guides(values[key], expected[key]) == expected[key], key


def test_a_fifth_bucket_with_a_name_of_its_own(tmp_path: Path) -> None:
    made = guide()
    made["BUCKET_CONFIGS"]["Swing_2-weeks"] = {
        "MIN_HORIZON": 500, "MAX_HORIZON": 4032, "FEATURES": ["price"],
    }  # fmt: skip
    made["PROGRESSIVE_TRAINING"]["SEQUENCE"].append("Swing_2-weeks")
    config = load_config(write(tmp_path, made))
    assert config.PROGRESSIVE_TRAINING.SEQUENCE[-1] == "Swing_2-weeks"
    made["PROGRESSIVE_TRAINING"]["SEQUENCE"] = []
    config = load_config(write(tmp_path, made))
    assert list(made["BUCKET_CONFIGS"]) == config.PROGRESSIVE_TRAINING.SEQUENCE


def test_features_of_a_plugin_are_known(tmp_path: Path) -> None:
    path = write(tmp_path, change("BUCKET_CONFIGS.Short.FEATURES", ["price", "tides"]))
    with pytest.raises(ConfigError, match="tides"):
        load_config(path)
    config = load_config(path, features=(*BUILTIN_FEATURES, "tides"))
    assert "tides" in config.BUCKET_CONFIGS["Short"].FEATURES


def test_what_was_loaded_is_restored_from_its_dump(tmp_path: Path) -> None:
    """As it goes to a plugin's process, with names that only this file knows."""
    made = {
        "LEARNER": "patient",
        "BUCKET_CONFIGS": {"Tidal": {"MIN_HORIZON": 1, "MAX_HORIZON": 12, "FEATURES": ["tides"]}},
        "MAX_EPISODES": 500,
        "PROGRESSIVE_TRAINING": {"SEQUENCE": ["Tidal"], "EPISODES_PER_BUCKET": 500},
    }
    path = write(tmp_path, made)
    config = load_config(path, features=("tides",), learners=("patient",))
    assert restore_config(config.model_dump(mode="json")) == config


def test_learners_of_a_plugin_are_known(tmp_path: Path) -> None:
    path = write(tmp_path, change("LEARNER", "patient"))
    said = r"LEARNER: \"patient\" is no learner \(did you mean 'patent'\?\); known are cfq, patent"
    with pytest.raises(ConfigError, match=said):
        load_config(path, learners=("cfq", "patent"))
    with pytest.raises(ConfigError, match="known are cfq, pqn, dqn"):
        load_config(path)
    assert load_config(path, learners=(*BUILTIN_LEARNERS, "patient")).LEARNER == "patient"


def test_builtin_features_are_the_registrys() -> None:
    assert builtin_features().names == BUILTIN_FEATURES


@pytest.mark.parametrize("section", SECTIONS, ids=lambda one: one.__name__)
def test_every_key_is_described(section: type[BaseModel]) -> None:
    for name, field in section.model_fields.items():
        assert field.description, f"{section.__name__}.{name}"


def test_every_section_is_among_those_looped_over() -> None:
    named = Config.model_json_schema()["$defs"]
    assert named.keys() == {section.__name__ for section in SECTIONS[1:]}


def test_schema_describes_the_shipped_file() -> None:
    schema = Config.model_json_schema()
    assert json.loads(json.dumps(schema)) == schema
    assert guide().keys() <= schema["properties"].keys()
    assert schema["additionalProperties"] is False
    for name, value in guide().items():
        described = schema["properties"][name]
        if "$ref" in described:
            section = schema["$defs"][described["$ref"].rpartition("/")[2]]
            assert value.keys() <= section["properties"].keys()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "style", ["%(asctime)s %(message)s", "%(levelno)03d %(message)-20s", "%(process)d %(message)s"]
)
def test_accepted_format_works(tmp_path: Path, style: str) -> None:
    config = load_config(write(tmp_path, change("LOGGING.LOG_FORMAT", style)))
    record = logging.LogRecord("n", logging.INFO, "p", 1, "text", (), None)
    assert "text" in logging.Formatter(config.LOGGING.LOG_FORMAT).format(record)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = sorted({name for section in SECTIONS for name in section.model_fields} | {"Short", "x"})


@st.composite
def mutated(draw: st.DrawFn) -> object:
    """The guide's configuration with some values replaced, removed or added."""
    made: Any = copy.deepcopy(guide())
    for _ in range(draw(st.integers(1, 4))):
        place = made
        while draw(st.booleans()):
            inner = [value for value in place.values() if isinstance(value, dict)]
            if not inner:
                break
            place = draw(st.sampled_from(inner))
        key = draw(st.sampled_from(KEYS) | st.text(max_size=5))
        if draw(st.booleans()):
            place.pop(key, None)
        else:
            place[key] = draw(JSON)
    return made


@settings(derandomize=True, deadline=None, max_examples=300)
@given(value=mutated() | st.dictionaries(st.sampled_from(KEYS) | st.text(), JSON, max_size=5))
@example(value={"BUCKET_CONFIGS": {"Short": None}})
@example(value={"LOGGING": {"LOG_FORMAT": "%(message)"}})
def test_any_object_loads_or_raises_config_error(value: object) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        path = write(Path(folder), value)
        try:
            config = load_config(path)
        except ConfigError as error:
            assert str(error).startswith(str(path))
        else:
            assert config.PROGRESSIVE_TRAINING.SEQUENCE
            again = write(Path(folder), config.model_dump(mode="json"))
            assert load_config(again) == config


@settings(derandomize=True, deadline=None, max_examples=150)
@given(raw=st.binary(max_size=60))
def test_any_bytes_load_or_raise_config_error(raw: bytes) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        path = Path(folder) / "x.json"
        path.write_bytes(raw)
        try:
            load_config(path)
        except BtcAiError as error:
            assert isinstance(error, ConfigError)
