import os
from pathlib import Path

import pytest

from btc_ai.api.testing_daemon import running_daemon, wait_for
from tests.daemon.conftest import alive


def test_a_daemon_that_ends_with_the_block_even_when_a_test_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), running_daemon(tmp_path) as daemon:
        status = daemon.call("daemon.status")
        assert status["models_dir"] == str(tmp_path / "Models")
        assert daemon.plugin("signal")["state"] == "ready"
        assert "no plugin" in daemon.run("plugins", "disable", "nothing", code=2)
        assert "ready" in daemon.logged()
        _ = 1 / 0
    assert not alive(status["pid"])
    assert not daemon.runtime.exists()


def test_waiting_has_an_end() -> None:
    with pytest.raises(AssertionError, match="not within"):
        wait_for(lambda: os.getpid() == 0, 0.1)
