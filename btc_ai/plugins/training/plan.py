"""Turns a command and the configuration into the steps of a run; takes up unfinished ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from btc_ai.api.errors import TrainingError, UsageError
from btc_ai.api.journal import Job, Journal, Step
from btc_ai.api.settings import bucket_settings, market_of, require_candles
from btc_ai.config import SAMPLE_SYMBOL, Config
from btc_ai.history.files import read_card
from btc_ai.paths import latest_model
from btc_ai.plugins.training.messages import StartBody

Body = dict[str, Any]

KIND = "training"
UNFINISHED = ("queued", "running", "paused", "stopped", "failed")


def check_options(body: StartBody) -> None:
    """Refuse options that contradict each other. Raises UsageError."""
    if body.sequence is not None and body.bucket is not None:
        raise UsageError("--sequence and --bucket exclude each other; give one of them")
    fixed = {
        "--sequence": body.sequence, "--seed": body.seed, "--symbol": body.symbol,
        "--interval": body.interval, "--market": body.market,
        "--no-transfer": None if body.transfer else True, "a source": body.source,
    }  # fmt: skip
    given = [name for name, value in fixed.items() if value is not None]
    if body.resume and given:
        raise UsageError(f"--resume takes up a run as it was; leave out {', '.join(given)}")


def sequence_of(config: Config, body: StartBody) -> list[str]:
    """The buckets that a new run trains, in order. Raises UsageError."""
    progressive = config.PROGRESSIVE_TRAINING
    if not progressive.ENABLED and body.bucket is None:
        raise UsageError(
            "PROGRESSIVE_TRAINING.ENABLED is false; train one bucket with --bucket, or switch it on"
        )
    if body.source is not None and (body.bucket is None or not body.transfer):
        raise UsageError("a source is for one bucket, named with `bucket`, and for a transfer")
    sequence = body.sequence or progressive.SEQUENCE
    if body.bucket is not None:
        sequence = [body.bucket]
    if len(set(sequence)) < len(sequence):
        raise UsageError(f"the sequence {' '.join(sequence)} names a bucket twice")
    return sequence


def new_run(journal: Journal, config: Config, body: StartBody, call_id: str) -> Job:
    """Write a new run into the journal: one step a bucket."""
    sequence = sequence_of(config, body)
    spec = run_spec(config, body)
    source = {} if body.source is None else {"transfer_from": body.source.model_dump()}
    steps = [(name, _step_spec(config, spec, name, body.episodes) | source) for name in sequence]
    require_candles(config, spec)
    return journal.add(KIND, spec, steps, call_id)


def of_real_candles(models_dir: Path, market: str | None, buckets: Sequence[str]) -> list[str]:
    """The buckets whose latest model a run on the sample market does not take the place of."""
    if market is None:
        return []
    models = {name: latest_model(models_dir, name) for name in buckets}
    cards = {name: read_card(model) for name, model in models.items() if model is not None}
    return [name for name, card in cards.items() if card and card.get("symbol") != SAMPLE_SYMBOL]


def run_spec(config: Config, body: StartBody) -> Body:
    """What holds for every step of a run."""
    progressive = config.PROGRESSIVE_TRAINING
    return {
        **market_of(config, body.market, body.symbol, body.interval),
        "seed": config.SEED if body.seed is None else body.seed,
        "learner": body.learner,
        "transfer": body.transfer and progressive.TRANSFER_KNOWLEDGE,
        "pause_s": progressive.PAUSE_BETWEEN_BUCKETS,
        "data_dir": str(config.DATA_DIR),
        "memory_limits": memory_limits(config),
        "verify": config.KNOWLEDGE_TRANSFER.TRANSFER_VERIFY,
        "study_seeds": config.KNOWLEDGE_TRANSFER.STUDY_SEEDS,
        "max_memory": config.KNOWLEDGE_TRANSFER.MAX_MEMORY_USAGE,
    }


def memory_limits(config: Config) -> Body:
    """Shares of memory in use from which on training warns, and economises."""
    return {"limit": config.MEMORY_LIMIT_PERCENT, "warning": config.MEMORY_WARNING_PERCENT}


def _step_spec(config: Config, spec: Body, bucket: str, episodes: int | None) -> Body:
    count = episodes or config.PROGRESSIVE_TRAINING.EPISODES_PER_BUCKET
    return {"settings": bucket_settings(config, bucket, spec["seed"], count, spec["learner"])}


def next_step(job: Job) -> Step | None:
    """The step to run next: the one asked for, else the first that is not done."""
    waiting = [step for step in job.steps if step.state != "done"]
    first = job.spec.get("first")
    return next((step for step in waiting if step.position == first), next(iter(waiting), None))


def resume(journal: Journal, config: Config, body: StartBody, call_id: str) -> tuple[Job, str]:
    """Take up what `--resume` means; returns the run and a sentence about it.

    Without a bucket: the newest unfinished run. With one: its unfinished part, else its latest
    model for more episodes; then the rest of an unfinished run. A run that was left before the
    bucket's latest model was made is not taken up for it. Raises TrainingError where there is
    nothing, or where the configuration has changed in what matters.
    """
    unfinished = _unfinished(journal)
    if unfinished is not None and unfinished.state in ("queued", "running"):
        return unfinished, f"run {unfinished.id} is already {unfinished.state}"
    if unfinished is not None and body.bucket and _is_past(config, unfinished, body.bucket):
        job, said = _continue_model(journal, config, body, None, call_id)
        return job, f"{said}; `btc-ai continue {unfinished.id}` takes up the older run"
    if unfinished is not None:
        unfinished = _with_limits(journal, config, unfinished)
    if body.bucket is None:
        if unfinished is None:
            raise TrainingError(
                "there is no unfinished run; start one with `btc-ai train`, or train a finished "
                "bucket further with `btc-ai train --resume --bucket NAME`"
            )
        return unfinished, _taken_up(config, unfinished, body)
    if unfinished is not None:
        part = _unfinished_part(unfinished, body.bucket)
        if part is not None:
            _refuse_changes(config, unfinished, body)
            spec = {**unfinished.spec, "first": part.position}
            unfinished = journal.set_job(unfinished.id, state=unfinished.state, spec=spec)
            return unfinished, _taken_up(config, unfinished, body)
    return _continue_model(journal, config, body, unfinished, call_id)


def _with_limits(journal: Journal, config: Config, job: Job) -> Job:
    """Limits on memory change no result: a resumed run follows the configuration."""
    spec = {**job.spec, "memory_limits": memory_limits(config)}
    return journal.set_job(job.id, state=job.state, spec=spec, error=job.error)


def _unfinished(journal: Journal) -> Job | None:
    """The newest unfinished run; one that failed before it trained anything comes last."""
    jobs = [job for job in journal.jobs(KIND) if job.state in UNFINISHED]
    begun = [job for job in jobs if job.state != "failed" or _has_trained(job)]
    return next(iter(begun + jobs), None)


def _has_trained(job: Job) -> bool:
    folders = (step.result.get("directory") for step in job.steps)
    return any(folder and (Path(folder) / "metrics.jsonl").is_file() for folder in folders)


def _unfinished_part(job: Job, bucket: str) -> Step | None:
    return next((one for one in job.steps if one.name == bucket and one.state != "done"), None)


def _is_past(config: Config, job: Job, bucket: str) -> bool:
    """Whether a bucket has a model of another run that was made after this one was left."""
    model = latest_model(config.MODELS_DIR, bucket)
    own = [step.result.get("directory") for step in job.steps]
    return (
        model is not None
        and str(model) not in own
        and (model / "model.json").stat().st_mtime > job.updated
    )


def _taken_up(config: Config, job: Job, body: StartBody) -> str:
    _refuse_changes(config, job, body)
    step = next_step(job)
    said = f"takes up run {job.id} at {step.name}" if step else f"takes up run {job.id}"
    return f"{said}; it keeps the number of episodes it began with" if body.episodes else said


def _refuse_changes(config: Config, job: Job, body: StartBody) -> None:
    """Raise TrainingError where an unfinished step would now be trained otherwise."""
    learner = body.learner or job.spec["learner"]
    lines = []
    for step in job.steps:
        was = step.spec["settings"]
        if step.state == "done":
            continue
        if step.name not in config.BUCKET_CONFIGS:
            lines.append(f"BUCKET_CONFIGS.{step.name}: gone")
            continue
        now = bucket_settings(config, step.name, job.spec["seed"], 1, learner)
        lines += [
            f"{step.name}, {key.upper()}: {was[key]} in the run, {now[key]} now"
            for key in was
            if key in now and key not in ("episodes", "seed") and was[key] != now[key]
        ]
    if lines:
        raise TrainingError(
            f"the configuration has changed since run {job.id} began:\n  "
            + "\n  ".join(lines)
            + "\nset it back to go on with the run, or start a new one without --resume; "
            f"`btc-ai continue {job.id}` goes on with it as it began"
        )


def _continue_model(
    journal: Journal, config: Config, body: StartBody, unfinished: Job | None, call_id: str
) -> tuple[Job, str]:
    bucket = str(body.bucket)
    bucket_settings(config, bucket, 0, body.episodes or 1)
    model = latest_model(config.MODELS_DIR, bucket)
    if model is None:
        raise TrainingError(
            f"{bucket} has neither an unfinished run nor a model; train it first with "
            f"`btc-ai train --bucket {bucket}`"
        )
    if unfinished is not None:
        _refuse_changes(config, unfinished, body)
    spec = unfinished.spec if unfinished else _spec_of_model(journal, config, body, model)
    step = {**_step_spec(config, spec, bucket, body.episodes), "continue_from": str(model)}
    if unfinished is None:
        job = journal.add(KIND, spec, [(bucket, step)], call_id)
        return job, f"trains the latest model of {bucket} further"
    job = journal.add_step(unfinished.id, bucket, step)
    job = journal.set_job(job.id, spec={**job.spec, "first": job.steps[-1].position})
    return job, f"trains the latest model of {bucket} further, then the rest of run {job.id}"


def _spec_of_model(journal: Journal, config: Config, body: StartBody, model: Path) -> Body:
    """A model is trained further on the candles it was trained on, and by the same learner.

    Another one may be asked for: all learners save the same kind of network.
    """
    for job in journal.jobs(KIND, limit=500):
        if any(step.result.get("directory") == str(model) for step in job.steps):
            kept = {key: value for key, value in job.spec.items() if key != "first"}
            return {
                **kept,
                "learner": body.learner or kept["learner"],
                "memory_limits": memory_limits(config),
            }
    return run_spec(config, body)
