"""Turns a command and the configuration into the steps of a job."""

from btc_ai.api.errors import TrainingError, UsageError
from btc_ai.api.service import Body
from btc_ai.api.settings import bucket_settings, market_of, milliseconds
from btc_ai.config import Config, nearest
from btc_ai.paths import candle_file, latest_model, trials_file, walk_forward_dir
from btc_ai.plugins.evaluation.messages import AuditBody, EvaluateBody, PipelineBody

KIND = "evaluation"
WORKER = "btc_ai.plugins.evaluation.worker"
KNOWN_MARKETS = ("G1", "G2", "G3", "G4", "G5", "G5-GARCH", "G6", "G7")

Step = tuple[str, Body]


def evaluate_steps(config: Config, body: EvaluateBody) -> list[Step]:
    """One step a bucket: its latest model on a date range, or walk-forward folds.

    Raises UsageError for options that exclude each other, TrainingError where there is no model.
    """
    if body.folds and (body.start or body.end):
        raise UsageError("--folds and --from/--to exclude each other; give one of them")
    if body.folds:
        return [_folds_step(config, body, name) for name in _buckets(config, body.bucket)]
    if body.episodes or body.seed is not None:
        raise UsageError("--episodes and --seed are for --folds: a finished model is not trained")
    names = [body.bucket] if body.bucket is not None else _trained(config)
    return [_range_step(config, body, name) for name in names]


def _range_step(config: Config, body: EvaluateBody, bucket: str) -> Step:
    bucket_settings(config, bucket, 0, 1)
    model = latest_model(config.MODELS_DIR, bucket)
    if model is None:
        raise TrainingError(
            f"{bucket} has no model yet; train it with `btc-ai train --bucket {bucket}`"
        )
    return bucket, _step(
        "evaluate_step",
        model=str(model),
        start=milliseconds("--from", body.start),
        end=milliseconds("--to", body.end),
        **_named_market(config, body),
        **_folders(config),
    )


def _named_market(config: Config, body: EvaluateBody) -> Body:
    """The market asked for, or nothing: then it is the model's own."""
    if not (body.market or body.symbol or body.interval):
        return {"symbol": None, "interval": None}
    asked = market_of(config, body.market, body.symbol, body.interval)
    return {"symbol": asked["symbol"], "interval": asked["interval"]}


def _folds_step(config: Config, body: EvaluateBody, bucket: str) -> Step:
    seed = config.SEED if body.seed is None else body.seed
    episodes = body.episodes or config.PROGRESSIVE_TRAINING.EPISODES_PER_BUCKET
    return bucket, _step(
        "walk_forward_step",
        settings=bucket_settings(config, bucket, seed, episodes),
        folds=body.folds,
        **market_of(config, body.market, body.symbol, body.interval),
        **_folders(config),
    )


def audit_steps(config: Config, body: AuditBody) -> list[Step]:
    """One step a bucket."""
    return [
        _audit_step(config, name, market_of(config, body.market, body.symbol, body.interval))
        for name in _buckets(config, body.bucket)
    ]


def _audit_step(config: Config, bucket: str, market: Body) -> Step:
    settings = bucket_settings(config, bucket, config.SEED, 1)
    return bucket, _step("audit_step", settings=settings, **market, **_folders(config))


def pipeline_steps(config: Config, body: PipelineBody) -> list[Step]:
    """One step a known market and bucket, then the leak tests of each bucket on the candles."""
    markets = body.markets or list(KNOWN_MARKETS)
    for name in markets:
        if name not in KNOWN_MARKETS:
            hint = nearest(name, KNOWN_MARKETS)
            raise UsageError(
                f"unknown market {name!r}{hint}; known are {', '.join(KNOWN_MARKETS)}"
            )  # fmt: skip
    buckets = body.sequence or config.PROGRESSIVE_TRAINING.SEQUENCE
    steps = [
        (f"{market} {bucket}", _prove_step(config, body, market, bucket))
        for market in markets
        for bucket in buckets
    ]
    candles = candle_file(config.DATA_DIR, config.SYMBOL, config.INTERVAL)
    market = market_of(config, None if candles.is_file() else "sample", None, None)
    audits = [_audit_step(config, bucket, market) for bucket in buckets]
    return steps + [(f"audit {name}", step) for name, step in audits]


def _prove_step(config: Config, body: PipelineBody, market: str, bucket: str) -> Body:
    settings = [
        bucket_settings(config, bucket, config.SEED + number, body.episodes)
        for number in range(body.seeds)
    ]
    return _step("prove_step", market=market, settings=settings, **_folders(config))


def _step(function: str, **arguments: object) -> Body:
    return {"function": f"{WORKER}:{function}", "arguments": arguments}


def _folders(config: Config) -> Body:
    return {
        "data_dir": str(config.DATA_DIR),
        "folder": str(walk_forward_dir(config.MODELS_DIR)),
        "trials": str(trials_file(config.MODELS_DIR)),
    }


def _buckets(config: Config, bucket: str | None) -> list[str]:
    return [bucket] if bucket is not None else config.PROGRESSIVE_TRAINING.SEQUENCE


def _trained(config: Config) -> list[str]:
    names = [name for name in config.BUCKET_CONFIGS if latest_model(config.MODELS_DIR, name)]
    if not names:
        raise TrainingError(
            f"there are no models in {config.MODELS_DIR}; train some with `btc-ai train`"
        )
    return names
