"""What a worker process does for the evaluation service: evaluate, audit, prove."""

import dataclasses
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from btc_ai.api.step import StepContext, StepStoppedError
from btc_ai.durable import replace_durably
from btc_ai.learning.audit.audit import audit
from btc_ai.learning.evaluation.frozen import evaluate_model
from btc_ai.learning.evaluation.report import Report
from btc_ai.learning.evaluation.trials import TrialLedger
from btc_ai.learning.evaluation.walk_forward import FoldProgress, walk_forward, walk_forward_id
from btc_ai.learning.files import disk_errors
from btc_ai.learning.markets.proof import Proof, prove
from btc_ai.learning.markets.registry import known_markets
from btc_ai.learning.markets.summary import summarise
from btc_ai.learning.metrics import EpisodeMetrics
from btc_ai.learning.model_card import read_card
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.trainer import TrainingStoppedError
from btc_ai.market.candles import Candles
from btc_ai.market.features.installed import installed_features
from btc_ai.market.source import load_candles
from btc_ai.paths import evaluations_dir

Body = dict[str, Any]
Tell = Callable[[float, str], None]


def evaluate_step(arguments: Body, context: StepContext) -> Body:
    """A finished model on a date range; arguments are those of `plan.range_step`."""
    model = Path(arguments["model"])
    card = read_card(model)
    own = {key: str(arguments[key] or card.get(key)) for key in ("symbol", "interval")}
    _teller(context)(0.0, f"replaying {model.name}")
    report = evaluate_model(
        model,
        load_candles(Path(arguments["data_dir"]), own["symbol"], own["interval"]),
        installed_features(context.log),
        ledger=TrialLedger(Path(arguments["trials"])),
        start=arguments["start"],
        end=arguments["end"],
    )
    file = evaluations_dir(model) / f"{report.start}-{report.end}.json"
    return _kept(file, arguments["job"], card["settings"], report)


def walk_forward_step(arguments: Body, context: StepContext) -> Body:
    """Walk-forward folds of one bucket; the same ones again repeat no finished fold."""
    settings = TrainingSettings.from_json(arguments["settings"])
    candles, tell = _candles(arguments), _teller(context)
    name = f"{settings.bucket}-{walk_forward_id(settings, candles, arguments['folds'])}"

    def on_progress(now: FoldProgress) -> None:
        done = now.metrics.episode / now.metrics.episodes if now.metrics else 1.0
        tell((now.fold - 1 + done) / now.folds, f"fold {now.fold} of {now.folds}")

    folder = Path(arguments["folder"]) / name
    with _stoppable():
        report = walk_forward(
            settings,
            candles,
            installed_features(context.log),
            folder,
            arguments["folds"],
            ledger=TrialLedger(Path(arguments["trials"])),
            on_progress=on_progress,
            should_stop=context.should_stop,
        )
    return _kept(folder / "evaluation.json", arguments["job"], settings.to_json(), report)


def audit_step(arguments: Body, context: StepContext) -> Body:
    """All leak checks of one bucket."""
    tell = _teller(context)
    with _stoppable():
        return audit(
            _candles(arguments),
            installed_features(context.log),
            TrainingSettings.from_json(arguments["settings"]),
            on_progress=lambda done, checks, name: tell(done / checks, name),
            should_stop=context.should_stop,
        ).to_json()


def prove_step(arguments: Body, context: StepContext) -> Body:
    """One bucket on one known market, once for each of `settings`, which differ in the seed."""
    market = known_markets()[arguments["market"]]
    runs, tell = arguments["settings"], _teller(context)
    folder = Path(arguments["folder"]) / f"{arguments['job']}-{market.name}-{runs[0]['bucket']}"

    def one(number: int, plain: Body) -> Proof:
        def on_episode(metrics: EpisodeMetrics) -> None:
            share = (number + metrics.episode / metrics.episodes) / len(runs)
            tell(share, f"{market.title}, {number + 1} of {len(runs)}")

        settings = dataclasses.replace(TrainingSettings.from_json(plain), use_gpu=False)
        return prove(
            market,
            settings,
            folder / str(number),
            seed=number,
            on_episode=on_episode,
            should_stop=context.should_stop,
        )

    with _stoppable():
        proofs = [one(number, plain) for number, plain in enumerate(runs)]
    shutil.rmtree(folder, ignore_errors=True)
    return summarise(market, proofs).to_json()


def _kept(file: Path, job: str, settings: Body, report: Report) -> Body:
    """The report, which is in the file as well: for `btc-ai report`, and for people."""
    found = report.to_json()
    content = {"job": job, "made": time.time(), "settings": settings, **found}
    with disk_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_durably(file, json.dumps(content).encode())
    return found


def _candles(arguments: Body) -> Candles:
    where = {key: arguments[key] for key in ("symbol", "interval", "market")}
    return load_candles(Path(arguments["data_dir"]), **where)


def _teller(context: StepContext) -> Tell:
    def tell(share: float, text: str) -> None:
        context.progress({"share": round(share, 4), "text": text})

    return tell


@contextmanager
def _stoppable() -> Iterator[None]:
    """Training that stopped at a checkpoint is a step that stopped there."""
    try:
        yield
    except TrainingStoppedError as stop:
        raise StepStoppedError(str(stop)) from None
