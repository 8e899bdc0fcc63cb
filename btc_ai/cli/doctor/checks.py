"""Every check of `btc-ai doctor`, in order."""

import dataclasses
from collections.abc import Iterator

from btc_ai.cli.doctor import (
    candles,
    folders,
    installation,
    machine,
    running,
    settings,
    updating,
)
from btc_ai.cli.doctor.findings import Check, Finding, Look, warning, wrong
from btc_ai.errors import BtcAiError

CHECKS = (
    Check("python", installation.python, needs_config=False),
    Check("dependencies", installation.dependencies, needs_config=False),
    Check("command", installation.console_script, needs_config=False),
    Check("configuration", settings.configuration, needs_config=False),
    Check("episodes", settings.episodes),
    Check("sequence", settings.sequence),
    Check("plugins", settings.plugins, needs_config=False),
    Check("candles", candles.candles),
    Check("permissions", folders.permissions),
    Check("keys", folders.keys),
    Check("runtime", folders.runtime, needs_config=False),
    Check("leftovers", folders.leftovers, needs_config=False),
    Check("disk", folders.space),
    Check("clock", machine.clock),
    Check("ports", machine.ports),
    Check("gpu", machine.gpu),
    Check("memory", machine.memory),
    Check("worker memory", settings.worker_memory),
    Check("threads", machine.threads, needs_config=False),
    Check("limits", machine.limits, needs_config=False),
    Check("daemon", running.daemon, needs_config=False),
    Check("errors", running.errors),
    Check("updates", updating.updates),
)


def examine(look: Look) -> Iterator[Finding]:
    """Every finding, named after its check; a check that fails is a finding itself."""
    left_out = [one.name for one in CHECKS if one.needs_config and look.config_error]
    for check in CHECKS:
        if check.name not in left_out:
            for finding in _findings(check, look):
                yield dataclasses.replace(finding, check=check.name)
    if left_out:
        todo = "mend the configuration, then run `btc-ai doctor` again"
        found = warning(f"not checked: {', '.join(left_out)}", todo=todo)
        yield dataclasses.replace(found, check="configuration")


def _findings(check: Check, look: Look) -> Iterator[Finding]:
    try:
        yield from check.work(look)
    except BtcAiError as error:
        yield wrong(str(error), todo="see what it says")
    except Exception as error:  # noqa: BLE001  # a fence: the other checks go on
        text = f"cannot be checked: {type(error).__name__}: {error}"
        yield warning(text, todo="look at it by hand, and report this")
