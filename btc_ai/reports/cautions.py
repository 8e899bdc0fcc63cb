"""What to know before a number of a report is believed."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from btc_ai.api.advice import few_episodes
from btc_ai.config import Config
from btc_ai.history.answers import RunRow
from btc_ai.history.queries import History
from btc_ai.paths import trials_file
from btc_ai.reports.contents import Bucket, Data
from btc_ai.reports.data import seen_bars

LEAST_BLOCKS = 10
DAY_MS = 86_400_000


def gather_cautions(
    config: Config, history: History, run: RunRow, data: Data, buckets: Sequence[Bucket]
) -> list[str]:
    """A sentence each."""
    return [
        *([f"{history.note[0].upper()}{history.note[1:]}."] if history.note else []),
        *_of_data(data),
        *_of_run(config, run, buckets),
        *(f"{one.bucket}: {text}" for one in buckets for text in _of_bucket(one)),
        *_of_memory(history, run),
    ]


def _of_data(data: Data) -> Iterator[str]:
    if data.synthetic:
        yield (
            "The market is synthetic, with a signal planted in it: what was earned says that the "
            "agents learn, and nothing about BTC."
        )
    if data.problem:
        yield f"The candles cannot be looked at: {data.problem}."
    elif data.trained_sha256 and data.trained_sha256 != [data.sha256]:
        yield "The candles have changed since the models were trained: their quality is today's."
    for one in data.findings:
        if one.severity == "error":
            yield f"The candles have {one.count:,} bars with the error {one.kind}: {one.meaning}."


def _of_run(config: Config, run: RunRow, buckets: Sequence[Bucket]) -> Iterator[str]:
    for text in few_episodes(min((one.episodes for one in buckets), default=0)):
        yield f"{text[0].upper()}{text[1:]}."
    horizons = [
        one.model.settings["max_horizon"] for one in buckets if one.model is not None
    ]  # fmt: skip
    if horizons != sorted(horizons):
        yield "Longer horizons were trained before shorter ones; the guide advises the reverse."
    trials = count_trials(trials_file(config.MODELS_DIR), run.symbol)
    if trials > len(buckets):
        yield (
            f"{trials:,} models have been trained on {run.symbol} so far, and the best of many "
            "looks good by luck; no interval here is corrected for that; `btc-ai evaluate` is."
        )


def _of_bucket(bucket: Bucket) -> Iterator[str]:
    if bucket.degraded:
        yield "degraded: for want of memory its updates were smaller than configured."
    if bucket.restarts:
        deaths = ", ".join(f"{count} × {cause}" for cause, count in bucket.restarts.items())
        yield f"its worker died and was restarted ({deaths}); the result is the same."
    if bucket.state == "done" and bucket.model is None:
        yield "its model's card is gone or damaged; importance, intervals and hashes are missing."
    if bucket.model is None:
        return
    if bucket.model.validation.get("abstains"):
        yield "abstains: it stays flat, for validation gave no evidence that trading pays."
    for kind, share in seen_bars(bucket.model).items():
        if share > 0:
            yield f"in-sample: {share:.0%} of its test part it was {kind} on before."
    start, end = bucket.model.parts["test"]
    block = max(DAY_MS, bucket.model.settings["max_horizon"] * bucket.model.interval_ms)
    if (end - start) / block < LEAST_BLOCKS:
        yield "the test part is too short for its intervals to be trusted."
    transfer = bucket.transfer
    if transfer and transfer.kinds and transfer.decision is None:
        yield "its transfer was not measured."


def _of_memory(history: History, run: RunRow) -> Iterator[str]:
    """What monitoring warned of while the run went on, each once."""
    alerts = history.events(kind="monitoring.alert", limit=200)
    devices = {
        str(one.body["device"])
        for one in alerts
        if run.created <= one.time <= run.updated and one.body["level"] == "limit"
    }
    for device in sorted(devices):
        yield f"Memory of {device} was at MEMORY_LIMIT_PERCENT or above while the run went on."


def count_trials(ledger: Path, symbol: str) -> int:
    """How many models the ledger knows that were trained on a market; torn lines are left out."""
    try:
        lines = ledger.read_bytes().splitlines()
    except OSError:
        return 0
    return sum(_symbol_of(line) == symbol for line in lines)


def _symbol_of(line: bytes) -> str | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row.get("symbol") if isinstance(row, dict) else None
