"""Reads the configuration anew, and says which changes are in force and which are not yet."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from btc_ai.api.discovery import known_names
from btc_ai.api.service import Body, Logger
from btc_ai.config import Config, load_config
from btc_ai.config.edit import flat
from btc_ai.config.effect import AT_START, READ_ANEW, within
from btc_ai.daemon.systemd import Notifier
from btc_ai.errors import BtcAiError
from btc_ai.paths import find_config

Apply = Callable[[Config], None]


class Reload:
    """The configuration as last read. Parts of the daemon register what they can change at once."""

    def __init__(self, config: Config, path: Path | None, notifier: Notifier, log: Logger) -> None:
        """The configuration the daemon starts with; `path` is where it was read from.

        None: there was no file; one that is there later is found.
        """
        self.config, self.path, self._notifier, self._log = config, path, notifier, log
        self._in_force = _flat(config)
        self._appliers: dict[str, Apply] = {}

    def register(self, key: str, apply: Apply) -> None:
        """Call `apply` with the new configuration when `key`, or a key below it, has changed.

        It raises BtcAiError where it cannot; the change then waits for a restart.
        """
        self._appliers[key] = apply

    def on_signal(self) -> None:
        """Reload; what is wrong with the file stands in the log."""
        with suppress(BtcAiError):
            self.reload()

    def reload(self) -> Body:
        """Read the file again and apply what can be.

        Returns the names of the changed keys: `applied` (now), `next_job` (jobs that begin from
        now on have them) and `restart` (they wait for one). Raises ConfigError for an invalid
        file; then the old configuration holds.
        """
        with self._notifier.reloading():
            try:
                found = self._reload()
            except BtcAiError as error:
                self._notifier.status("the new configuration is refused; the log says why")
                self._log.error("configuration refused, the old one holds", reason=str(error))
                raise
        waiting = ", ".join(found["restart"])
        self._notifier.status(f"ready; waits for a restart: {waiting}" if waiting else "ready")
        return found

    def _reload(self) -> Body:
        path = find_config(self.path)
        config = load_config(path, **known_names()) if path else self.config
        self.path = path
        flat = _flat(config)
        changed = sorted(_changed(self._in_force, flat))
        read_anew = [key for key in changed if within(key, READ_ANEW)]
        applied = sorted({*self._apply(config, changed), *read_anew})
        rest = [key for key in changed if key not in applied]
        at_start = (*AT_START, *self._appliers)
        waiting = [key for key in rest if within(key, at_start)]
        next_job = [key for key in rest if key not in waiting]
        self._in_force |= {key: flat.get(key) for key in applied + next_job}
        self.config = config
        self._log.info("configuration read anew", applied=applied, next_job=next_job)
        if waiting:
            self._log.warning("changes wait for a restart", settings=", ".join(waiting))
        return {"applied": applied, "next_job": next_job, "restart": waiting}

    def _apply(self, config: Config, changed: list[str]) -> list[str]:
        applied: list[str] = []
        for key, apply in self._appliers.items():
            if not (mine := [one for one in changed if within(one, (key,))]):
                continue
            try:
                apply(config)
            except BtcAiError as error:
                self._log.warning("change cannot be applied", setting=key, reason=str(error))
            else:
                applied += mine
        return applied


def _flat(config: Config) -> dict[str, Any]:
    """Every value by its dotted key, as in `LOGGING.LEVEL`."""
    return flat(config.model_dump(mode="json"))


def _changed(old: dict[str, Any], new: dict[str, Any]) -> set[str]:
    return {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
