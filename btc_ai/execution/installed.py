"""The built-in executors and those of the installed plugins, by name."""

from btc_ai.api.executor import Executor, MakeExecutor
from btc_ai.api.registration import register_installed
from btc_ai.api.service import Logger
from btc_ai.errors import PluginError, UsageError
from btc_ai.execution.inline import InlineExecutor
from btc_ai.execution.process import ProcessExecutor


class Executors:
    """Makes executors by name."""

    def __init__(self) -> None:
        """None yet."""
        self._makers: dict[str, MakeExecutor] = {}

    def register(self, name: str, make: MakeExecutor) -> None:
        """Add an executor; raises PluginError where the name is taken."""
        if name in self._makers:
            raise PluginError(f"executor {name!r} is registered already: choose another name")
        self._makers[name] = make

    def make(self, name: str, workers: int | None, address: str | None) -> Executor:
        """The executor of that name; raises UsageError for an unknown one."""
        if name not in self._makers:
            raise UsageError(f"unknown executor {name!r}; known are {', '.join(self._makers)}")
        return self._makers[name](workers, address)


def builtin_executors() -> Executors:
    """`inline` and `process`."""
    registry = Executors()
    registry.register("inline", _inline)
    registry.register("process", _process)
    return registry


def _inline(workers: int | None, address: str | None) -> Executor:
    if workers not in (None, 1) or address:
        raise UsageError("the executor inline runs one task at a time, here")
    return InlineExecutor()


def _process(workers: int | None, address: str | None) -> Executor:
    if address:
        raise UsageError("--address is of executors on a cluster, such as ray; leave it out")
    return ProcessExecutor(workers)


def installed_executors(log: Logger) -> Executors:
    """A registry of all executors there are; a plugin that fails is left out, and logged."""
    registry = builtin_executors()
    register_installed(
        "executors",
        lambda manifest: manifest.executors,
        lambda hook: hook.btc_ai_executors(registry=registry),
        log,
    )
    return registry
