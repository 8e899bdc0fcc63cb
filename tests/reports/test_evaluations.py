"""Evaluations: those of the model and of its way of training, and no others."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from btc_ai.history.queries import History
from btc_ai.paths import evaluations_dir, walk_forward_dir
from btc_ai.reports.contents import Report
from btc_ai.reports.evaluations import read_evaluations
from btc_ai.reports.page import make_page
from btc_ai.reports.pdf import make_pdf
from tests.reports.conftest import Finished

pytestmark = pytest.mark.slow

FOLD = {"parts": {"test": [0, 86_400_000]}, "evaluation": {"net_bps_per_bar": 0.5, "trades": 1234}}


def test_only_what_is_of_this_model_or_of_its_way_of_training_is_told(
    finished: Finished, history: History, tmp_path: Path
) -> None:
    bucket = finished.report.buckets[1]
    assert bucket.model is not None
    run = history.run(finished.run)
    model = dataclasses.replace(bucket.model, folder=str(tmp_path / "Short/x"))
    found = json.loads(Path(bucket.evaluations[0].file).read_text())
    own, anew = evaluations_dir(Path(model.folder)), walk_forward_dir(tmp_path)

    def write(path: Path, **changes: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**found, **changes}))

    seed_9, gamma_9 = ({**found["settings"], name: 9} for name in ("seed", "gamma"))
    write(own / "old.json", made=1.0, job="old")
    write(own / "new.json", made=2.0, job="new", seen={"trained": 1000, "chosen": 0})
    write(own / "lacking.json", policies={})
    (own / "damaged.json").write_text('{"kind":')
    walked = {"kind": "walk-forward", "folds": [FOLD, FOLD]}
    write(anew / "Short-1/evaluation.json", job="anew", settings=seed_9, **walked)
    write(anew / "Short-2/evaluation.json", job="other settings", settings=gamma_9, **walked)
    write(anew / "Short-3/evaluation.json", job="other market", symbol="ETH/USDT", **walked)
    read = read_evaluations(tmp_path, run, model)
    assert [one.job for one in read] == ["new", "old", "anew"]

    shown = dataclasses.replace(bucket, evaluations=read, curves=[], importance=[])
    report: Report = dataclasses.replace(finished.report, buckets=[shown])
    page = make_page(report)
    assert "2 models trained anew, 3 episodes each, walk-forward" in page
    assert "Fold 2, 1970-01-01 00:00 to 1970-01-02 00:00: +0.500 bps a bar, 1,234 trades." in page
    assert "Trained on 1,000 of these bars" in page and str(own / "new.json") in page
    assert make_pdf(report).startswith(b"%PDF")
