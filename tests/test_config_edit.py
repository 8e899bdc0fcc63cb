"""The configuration file, changed by `btc-ai plugins enable|disable`."""

import json
import os
import resource
from pathlib import Path

import pytest

from btc_ai.config.edit import set_plugin
from btc_ai.errors import ConfigError


def test_the_file_keeps_owner_group_and_mode(tmp_path: Path) -> None:
    """Root changes the service's configuration, which its group reads."""
    path, link = tmp_path / "real.json", tmp_path / "btc_ai.json"
    path.write_text('{"SEED": 3}')
    link.symlink_to(path)
    others = [one for one in os.getgroups() if one != os.getegid()]
    uid, gid = (1234, 5678) if os.geteuid() == 0 else (-1, (others or [-1])[0])
    os.chown(path, uid, gid)
    path.chmod(0o640)
    before = path.stat()
    set_plugin(link, "able", enabled=False)
    after = path.stat()
    assert (after.st_uid, after.st_gid, after.st_mode) == (
        before.st_uid, before.st_gid, before.st_mode,
    )  # fmt: skip
    assert link.is_symlink()
    assert json.loads(path.read_text()) == {"SEED": 3, "PLUGINS": {"able": {"ENABLED": False}}}


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "btc_ai.json"
    path.write_text("{}")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(ConfigError, match=r"cannot write .*File too large"):
            set_plugin(path, "able", enabled=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [one.name for one in tmp_path.iterdir()] == ["btc_ai.json"]
    assert path.read_text() == "{}"
