"""What a worker process does for the study service: run a study on the executor it names."""

import dataclasses
from pathlib import Path
from typing import Any

from btc_ai.api.step import StepContext
from btc_ai.execution.installed import installed_executors
from btc_ai.learning.study.design import Study
from btc_ai.learning.study.study import PAGE, run_study
from btc_ai.market.features.installed import installed_features
from btc_ai.market.source import load_candles

Body = dict[str, Any]


def study_step(arguments: Body, context: StepContext) -> Body:
    """Run what is left of a study; arguments are those of `plan.plan_study`, and its id."""
    executor = installed_executors(context.log).make(
        arguments["executor"], arguments["workers"], arguments["address"]
    )
    where = {key: arguments[key] for key in ("symbol", "interval", "market")}
    folder = Path(arguments["folder"]) / arguments["job"]
    results = run_study(
        Study.from_json(arguments),
        load_candles(Path(arguments["data_dir"]), **where),
        installed_features(context.log),
        executor,
        folder,
        trials=Path(arguments["trials"]),
        on_progress=lambda now: context.progress(dataclasses.asdict(now)),
        should_stop=context.should_stop,
    )
    return {"results": results, "page": str(folder / PAGE)}
