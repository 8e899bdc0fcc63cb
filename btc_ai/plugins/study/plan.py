"""Turns a command and the configuration into a study: what its one step is told."""

from btc_ai.api.discovery import discover, known_executors
from btc_ai.api.errors import UsageError
from btc_ai.api.service import Body
from btc_ai.api.settings import bucket_settings, market_of, require_candles
from btc_ai.api.transfer import switched_on
from btc_ai.config import Config, nearest
from btc_ai.execution.installed import builtin_executors
from btc_ai.names import BUILTIN_EXECUTORS, TransferKind
from btc_ai.paths import trials_file
from btc_ai.plugins.study.messages import TransferStudyBody

KIND = "study"
STEP = "btc_ai.plugins.study.worker:study_step"
FOLDER = "studies"
PACKAGES = {"ray": "btc-ai-ray"}
"""Executors that have a package of their own to install."""

LEAST_BUCKETS = 2


def plan_study(config: Config, body: TransferStudyBody) -> Body:
    """The arguments of the study's step.

    Raises UsageError for what there is not, DataError where there are no candles.
    """
    _require_executor(body)
    buckets = _buckets(config, body)
    episodes = body.episodes or config.PROGRESSIVE_TRAINING.EPISODES_PER_BUCKET
    first = config.SEED if body.seed is None else body.seed
    market = market_of(config, body.market, body.symbol, body.interval)
    settings = [
        [
            {**bucket_settings(config, name, seed, episodes, body.learner), "use_gpu": False}
            for name in buckets
        ]
        for seed in range(first, first + body.seeds)
    ]  # fmt: skip
    require_candles(config, market)
    return {
        **market,
        "settings": settings,
        "kinds": body.kinds or _kinds(config),
        "executor": body.executor,
        "workers": body.workers,
        "address": body.address,
        "data_dir": str(config.DATA_DIR),
        "folder": str(config.MODELS_DIR / FOLDER),
        "trials": str(trials_file(config.MODELS_DIR)),
    }


def runs(arguments: Body) -> int:
    """How many runs the study has: the first bucket has one arm, the others three."""
    seeds = arguments["settings"]
    return len(seeds) * (3 * len(seeds[0]) - 2)


def _buckets(config: Config, body: TransferStudyBody) -> list[str]:
    names = body.sequence or config.PROGRESSIVE_TRAINING.SEQUENCE
    if len(set(names)) < len(names):
        raise UsageError(f"the sequence {' '.join(names)} names a bucket twice")
    if len(names) < LEAST_BUCKETS:
        raise UsageError("a study needs two buckets or more: one hands over, the other takes")
    return names


def _kinds(config: Config) -> list[TransferKind]:
    kinds = switched_on(config)
    if not kinds:
        raise UsageError(
            "KNOWLEDGE_TRANSFER switches every kind off; name what to study, such as --kind weights"
        )
    return kinds


def _require_executor(body: TransferStudyBody) -> None:
    name, known = body.executor, known_executors()
    if name in BUILTIN_EXECUTORS:
        builtin_executors().make(name, body.workers, body.address)
    if name in known:
        return
    for found in discover():
        if found.problem and found.entry_point.name == name:
            raise UsageError(f"the plugin {name} cannot be used: {found.problem}")
    if name in PACKAGES:
        raise UsageError(
            f"the executor {name} is not installed: pip install {PACKAGES[name]}, where the daemon "
            "is installed"
        )
    raise UsageError(
        f"unknown executor {name[:60]!r}{nearest(name, known)}; known are {', '.join(known)}"
    )
