"""The configuration as its file is now, read anew where the file is another."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from btc_ai.config import Config
from btc_ai.errors import BtcAiError
from btc_ai.paths import find_config

Stamp = tuple[int, int, int] | None


class CurrentConfig:
    """Asked by every page, several times: checking a configuration takes 20 ms, looking none."""

    def __init__(self, config: Config, file: Path | None, read: Callable[[], Config]) -> None:
        """config: as it was at the start. read: raises BtcAiError where the file is wrong."""
        self._config, self._file, self._read = config, file, read
        self._stamp: Stamp = None

    def get(self) -> Config:
        """The configuration; where its file is wrong, as it was before."""
        stamp = self._look()
        if stamp is not None and stamp != self._stamp:
            self._stamp = stamp
            with suppress(BtcAiError):
                self._config = self._read()
        return self._config

    def _look(self) -> Stamp:
        try:
            file = find_config(self._file)
            status = file.stat() if file else None
        except OSError:
            return None
        return (status.st_ino, status.st_mtime_ns, status.st_size) if status else None
