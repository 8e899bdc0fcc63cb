import errno
import logging
from pathlib import Path

import pytest
import torch

from btc_ai.durable import write_durably
from btc_ai.errors import TrainingError
from btc_ai.learning.checkpoint import MANIFEST, STATE, Checkpoint, CheckpointStore


def checkpoint(value: float) -> Checkpoint:
    return Checkpoint({"weight": torch.full((3,), value)}, {"episode": value}, {"seed": 1})


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    return CheckpointStore(tmp_path / "checkpoints")


def test_what_was_saved_is_loaded(store: CheckpointStore) -> None:
    assert store.load_latest() is None
    store.save(1, checkpoint(0.5))
    loaded = store.load_latest()
    assert loaded is not None
    assert torch.equal(loaded.tensors["weight"], torch.full((3,), 0.5))
    assert (loaded.progress, loaded.fingerprint) == ({"episode": 0.5}, {"seed": 1})


def test_the_last_two_are_kept(store: CheckpointStore) -> None:
    for number in (8, 9, 10):
        store.save(number, checkpoint(number))
    names = sorted(path.name for path in store.directory.iterdir())
    assert names == ["00000009", "00000010"]


@pytest.mark.parametrize(
    "damage", ["flip", "truncate", "no manifest", "empty manifest", "no state"]
)
def test_a_damaged_newest_falls_back_with_a_word(
    store: CheckpointStore, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    store.save(1, checkpoint(1))
    store.save(2, checkpoint(2))
    newest = store.directory / "00000002"
    state = (newest / STATE).read_bytes()
    if damage == "flip":
        (newest / STATE).write_bytes(state[:-1] + bytes([state[-1] ^ 1]))
    elif damage == "truncate":
        (newest / STATE).write_bytes(state[:-4])
    elif damage == "no state":
        (newest / STATE).unlink()
    elif damage == "no manifest":
        (newest / MANIFEST).unlink()
    else:
        (newest / MANIFEST).write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        loaded = store.load_latest()
    assert loaded is not None
    assert loaded.progress == {"episode": 1}
    assert "00000002 is damaged" in caplog.text


@pytest.mark.parametrize("failing", [STATE, MANIFEST])
def test_a_full_disk_leaves_the_checkpoint_before_and_no_rubbish(
    tmp_path: Path, failing: str
) -> None:
    def full(path: Path, content: bytes) -> None:
        if path.name == failing:
            write_durably(path, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        write_durably(path, content)

    CheckpointStore(tmp_path).save(1, checkpoint(1))
    with pytest.raises(TrainingError, match=r"00000002; make space, then go on .*--resume"):
        CheckpointStore(tmp_path, write=full).save(2, checkpoint(2))
    assert [path.name for path in tmp_path.iterdir()] == ["00000001"]
    loaded = CheckpointStore(tmp_path).load_latest()
    assert loaded is not None
    assert loaded.progress == {"episode": 1}


def test_an_unwritable_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(TrainingError, match=r"cannot write .*file/00000001: .*permissions"):
        CheckpointStore(tmp_path / "file").save(1, checkpoint(1))
