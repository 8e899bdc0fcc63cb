"""What a study trains: each bucket, seed and arm once, and in which order.

Arms of a bucket: `scratch`; `transfer`, from the model that the same seed's transfer arm left in
the bucket before; `placebo`, from the same model with the entries of its tensors shuffled, which
keeps their sizes and none of their knowledge. The first bucket has scratch alone.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy
import torch

import btc_ai
from btc_ai.api.executor import Task
from btc_ai.errors import UsageError
from btc_ai.learning.audit.gate import added_code
from btc_ai.learning.files import sha256
from btc_ai.learning.learners.registry import added_learner
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.features import FeatureRegistry
from btc_ai.names import TransferKind

Body = dict[str, Any]
Arm = Literal["scratch", "transfer", "placebo"]

ARMS: tuple[Arm, ...] = ("scratch", "transfer", "placebo")
LEAST_SEEDS = 2
FUNCTION = "btc_ai.learning.study.task:run_task"
SOURCES = ("learning", "market")
AFTER = ("page.py", "plots.py", "results.py", "statistics.py")
"""Files of this package that only read what runs have found."""

Code = Callable[[TrainingSettings], str]
"""What a run of these settings is done by: `code_version` of a registry."""


@dataclass(frozen=True)
class Study:
    """settings: of the buckets in their order, for each seed [seeds][buckets].

    kinds: what transfer carries. Raises UsageError for fewer than two seeds or buckets.
    """

    settings: tuple[tuple[TrainingSettings, ...], ...]
    kinds: tuple[TransferKind, ...] = ("weights",)

    def __post_init__(self) -> None:
        """Refuse what cannot be compared."""
        if len(self.settings) < LEAST_SEEDS:
            raise UsageError(f"a study needs at least {LEAST_SEEDS} seeds; 10 are a good number")
        if len(self.settings[0]) < 2:
            raise UsageError("a study needs two buckets or more: one hands over, the other takes")
        if not self.kinds:
            raise UsageError("a study needs a kind of transfer: weights, features or horizons")

    @property
    def seeds(self) -> int:
        """How many."""
        return len(self.settings)

    @property
    def buckets(self) -> tuple[TrainingSettings, ...]:
        """The buckets in order, with the settings of the first seed."""
        return self.settings[0]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Study":
        """From `settings` and `kinds` as JSON."""
        plain = TrainingSettings.from_json
        settings = tuple(tuple(plain(one) for one in seed) for seed in values["settings"])
        return cls(settings, tuple(values["kinds"]))


@dataclass(frozen=True)
class Cell:
    """One run of the study, and the task that does it."""

    bucket: int
    seed: int
    arm: Arm
    task: Task


def plan(study: Study, data: str, code: Code, folder: Path, trials: Path | None) -> list[Cell]:
    """Every run, seed by seed, what a run needs before it.

    A task's key is a hash of all that its result follows from: settings, arm, source, candles
    (`data`) and `code`. Its files are in `folder`/tasks/key. Where it runs, the code must be the
    same.
    """
    cells = []
    for seed, buckets in enumerate(study.settings):
        source: str | None = None
        for number, settings in enumerate(buckets):
            row = {
                arm: _task(study, settings, arm, source, data, code(settings), folder, trials)
                for arm in (ARMS if source else ARMS[:1])
            }
            source = row["transfer" if source else "scratch"].key
            cells += [Cell(number, seed, arm, task) for arm, task in row.items()]
    return cells


def _task(
    study: Study, settings: TrainingSettings, arm: Arm, source: str | None, data: str, code: str,
    folder: Path, trials: Path | None,
) -> Task:  # fmt: skip
    source = None if arm == "scratch" else source
    what: Body = {
        "settings": settings.to_json(),
        "arm": arm,
        "kinds": list(study.kinds) if source else [],
        "source": source,
        "code": code,
    }
    key = sha256(json.dumps([what, data], sort_keys=True).encode())[:20]
    arguments = {**what, "key": key, "folder": str(folder), "trials": trials and str(trials)}
    return Task(key, FUNCTION, arguments, (source,) if source else ())


def code_version(registry: FeatureRegistry, settings: TrainingSettings) -> str:
    """Of all code that decides what a run finds: this program's, and that of what plugins add.

    Raises DataError for a feature that there is not, PluginError for such a learner.
    """
    added = added_code(registry, settings.features) | added_learner(settings.learner)
    return ", ".join([_program(), *(f"{name} {code[:20]}" for name, code in added.items())])


@cache
def _program() -> str:
    """Its version, a hash of what decides a result, and numpy's and torch's versions."""
    root = Path(btc_ai.__file__).parent
    after = {Path(__file__).with_name(name) for name in AFTER}
    files = {path for part in SOURCES for path in (root / part).rglob("*.py")} - after
    content = b"".join(path.read_bytes() for path in sorted(files))
    libraries = f"numpy {numpy.__version__}, torch {torch.__version__}"
    return f"{btc_ai.__version__} {sha256(content)[:20]}, {libraries}"
