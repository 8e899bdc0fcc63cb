"""What `btc-ai evaluate` has found of a model, and of training others as it was."""

import glob
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from btc_ai.history.answers import RunRow
from btc_ai.history.files import read_object
from btc_ai.paths import evaluations_dir, walk_forward_dir
from btc_ai.reports.buckets import in_order, make_policy
from btc_ai.reports.contents import Evaluated, Model, Tone, Verdict

Body = Mapping[str, Any]

MAY_DIFFER: Final = ("seed", "episodes", "use_gpu", "threads")
"""Settings in which walk-forward models may differ from this one, and still tell of its making."""


def read_evaluations(models_dir: Path, run: RunRow, model: Model) -> list[Evaluated]:
    """Of a model of the run, then of its way of training; each newest first.

    Files that are damaged, or of other markets or settings, are left out.
    """
    own = evaluations_dir(Path(model.folder)).glob("*.json")
    bucket = glob.escape(str(model.settings["bucket"]))
    anew = walk_forward_dir(models_dir).glob(f"{bucket}-*/evaluation.json")
    found = [_read(file, run, model) for file in (*own, *anew)]
    return sorted(filter(None, found), key=lambda one: (one.kind != "frozen", -one.made))


def _read(file: Path, run: RunRow, model: Model) -> Evaluated | None:
    found = read_object(file)
    try:
        return _evaluated(file, found) if found and _concerns(found, run, model) else None
    except (LookupError, TypeError, ValueError, AttributeError):
        return None


def _concerns(found: Body, run: RunRow, model: Model) -> bool:
    same_market = (found["symbol"], found["interval"]) == (run.symbol, run.interval)
    return same_market and _compared(found["settings"]) == _compared(model.settings)


def _compared(settings: Body) -> Body:
    return {key: value for key, value in settings.items() if key not in MAY_DIFFER}


def _evaluated(file: Path, found: Body) -> Evaluated:
    policies, selection = found["policies"], found["selection"]
    model = policies["model"]
    over, net = (model["intervals"][name] for name in ("net_bps_over_hold", "net_bps_per_bar"))
    tone: Tone = "good" if found["passed"] else "bad" if net["high"] < 0 else "plain"
    taken = ("kind", "job", "made", "symbol", "start", "end", "bars", "cost_bps", "seen", "notes")
    return Evaluated(
        **{name: found[name] for name in taken},
        file=str(file),
        episodes=found["settings"]["episodes"],
        verdict=Verdict(tone, found["verdict"]),
        policies=in_order(
            make_policy(name, one["evaluation"], one["intervals"]["net_bps_per_bar"])
            for name, one in policies.items()
        ),
        over_hold=[over["low"], over["high"]],
        costs=[{name: one[name] for name in ("cost_bps", "net_bps_per_bar")}
               for one in model["costs"]],
        break_even_bps=model["break_even_bps"],
        **{name: selection[name] for name in ("trials", "deflated_sharpe", "overfitting")},
        folds=[
            {"test": one["parts"]["test"], "net_bps_per_bar": one["evaluation"]["net_bps_per_bar"],
             "trades": one["evaluation"]["trades"]}
            for one in found["folds"]
        ],
    )  # fmt: skip
