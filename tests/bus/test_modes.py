"""Who may use the sockets follows from who may use their folder."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from btc_ai.paths import command_socket, event_socket
from tests.bus.conftest import Hub


@pytest.mark.parametrize(
    ("folder", "sockets"),
    [(0o700, 0o600), (0o750, 0o660), (0o710, 0o660), (0o740, 0o600), (0o755, 0o600)],
)
def test_sockets_are_open_to_the_group_that_their_folder_is_open_to(
    runtime: Path, make_hub: Callable[[Path], Hub], folder: int, sockets: int
) -> None:
    runtime.chmod(folder)
    hub = make_hub(runtime)
    try:
        for path in (command_socket(runtime), event_socket(runtime)):
            assert stat.S_IMODE(path.stat().st_mode) == sockets
    finally:
        hub.close()
