"""Is the configuration valid, and as the guide advises? Are the plugins usable?"""

from collections.abc import Iterator
from itertools import pairwise

from btc_ai.cli.doctor.findings import Finding, Look, ok, warning, wrong

LEAST_SHARED = 0.5
LEAST_WORKER_MB = 600


def configuration(look: Look) -> Iterator[Finding]:
    """It is valid."""
    where = look.here.config_file or "the defaults"
    if look.config_error:
        yield wrong(look.config_error, where, todo="mend the file; `btc-ai config check` reads it")
    else:
        yield ok("valid", where)


def episodes(look: Look) -> Iterator[Finding]:
    """Each bucket gets enough episodes."""
    from btc_ai.api.advice import few_episodes

    count = look.config.PROGRESSIVE_TRAINING.EPISODES_PER_BUCKET
    for text in few_episodes(count):
        todo = "raise PROGRESSIVE_TRAINING.EPISODES_PER_BUCKET, or give --episodes"
        yield warning(text, todo=todo)
        return
    yield ok(f"{count} episodes a bucket")


def sequence(look: Look) -> Iterator[Finding]:
    """Short horizons come first, and neighbours have features in common."""
    from btc_ai.api.advice import out_of_order

    config = look.config
    names = config.PROGRESSIVE_TRAINING.SEQUENCE
    found = [
        warning(text, todo="change the order of PROGRESSIVE_TRAINING.SEQUENCE")
        for text in out_of_order(config, names)
    ]
    for one, other in pairwise(names):
        own, others = (set(config.BUCKET_CONFIGS[name].FEATURES) for name in (one, other))
        if len(own & others) < LEAST_SHARED * len(others):
            text = f"{other} shares {len(own & others)} of its {len(others)} features with {one}"
            todo = "give neighbours more features in common, for a transfer to carry"
            found.append(warning(text, todo=todo))
    yield from found or [ok(f"in order: {' '.join(names)}")]


def worker_memory(look: Look) -> Iterator[Finding]:
    """A worker is granted enough to import torch."""
    granted = look.config.SUPERVISION.WORKER_MEMORY_MB
    if granted is not None and granted < LEAST_WORKER_MB:
        text = f"a worker is granted {granted} MiB, too little for torch"
        yield warning(text, todo=f"set SUPERVISION.WORKER_MEMORY_MB to {LEAST_WORKER_MB} or more")
    else:
        yield ok(f"{granted} MiB a worker" if granted else "a worker takes what there is")


def plugins(look: Look) -> Iterator[Finding]:
    """Every plugin can be used, and those of the running daemon work."""
    from btc_ai.api.discovery import discover

    found = discover()
    bad = {one.name: one.problem for one in found if one.problem}
    for one in (look.daemon or {}).get("plugins", ()):
        if one["state"] not in ("ready", "idle", "disabled", "starting"):
            bad.setdefault(one["name"], f"is {one['state']}: {one['detail']}")
    for name, problem in bad.items():
        todo = f"mend or remove it, or `btc-ai plugins disable {name}`"
        yield wrong(f"{name}: {problem}", todo=todo)
    if not bad:
        yield ok(f"{len(found)} plugins: {', '.join(one.name for one in found)}")
