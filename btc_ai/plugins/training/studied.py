"""Judges a transfer by a study of many seeds, before the run that it is for.

A twin is one seed. Where KNOWLEDGE_TRANSFER.TRANSFER_VERIFY is `study`, source and target bucket
are first trained anew by the study service, from scratch and with the transfer, STUDY_SEEDS times
each, and the transfer is taken back where it cost something for certain.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from btc_ai.api.errors import TrainingError
from btc_ai.api.service import Context
from btc_ai.api.step import StepStoppedError

Body = dict[str, Any]

LOOK_EVERY_S = 0.5
UNDER_WAY = ("queued", "running")


async def study_of(
    context: Context,
    body: Body,
    study: str | None,
    begun: Callable[[str], None],
    stopping: asyncio.Event,
) -> Body:
    """What a study finds: the one begun before, gone on with, else a new one of `body`.

    `begun` hears of a new one's id. Raises StepStoppedError once `stopping` is set, the study being
    stopped as well, and TrainingError where it fails.
    """
    if study is None:
        study = str((await context.call("study.transfer", body))["study"])
        begun(study)
    elif (await context.call("study.show", {"study": study}))["state"] != "done":
        await context.call("study.continue", {"study": study})
    while True:
        shown = await context.call("study.show", {"study": study})
        if shown["state"] not in UNDER_WAY:
            break
        try:
            await asyncio.wait_for(stopping.wait(), LOOK_EVERY_S)
        except TimeoutError:
            continue
        await context.call("study.stop", {"study": study})
        raise StepStoppedError("stopped while its transfer was studied")
    if shown["state"] != "done":
        why = shown["error"] or f"it was {shown['state']}"
        raise TrainingError(f"study {study}, which is to judge the transfer, did not end: {why}")
    return {"study": study, **shown["results"]}


def verdict_of(results: Body) -> Body:
    """The verdict, in the form of `btc_ai.learning.transfer.verdict.Verdict`.

    Of the interquartile mean over the seeds of transferred − scratch, in the target, the second
    bucket, on validation: rolled back where its 95 % interval at the end lies below 0.
    """
    target, seeds = results["buckets"][1], results["seeds"]
    arms, ahead = target["arms"], target["differences"]["transfer"]["validation"]
    comparisons = [
        {
            "share": one["share"],
            "episode": one["episode"],
            "transferred": arms["transfer"]["validation"][number]["value"],
            "scratch": arms["scratch"]["validation"][number]["value"],
            "difference": one["value"],
            "standard_error": None,
            "low": one["low"],
            "high": one["high"],
        }
        for number, one in enumerate(ahead)
    ]
    last = comparisons[-1]
    worse = last["high"] < 0
    found = "below scratch" if worse else "not below scratch for certain"
    return {
        "decision": "rolled_back" if worse else "kept",
        "share": last["share"],
        "reason": f"over the {seeds} seeds of study {results['study']} {found} at the end",
        "study": results["study"],
        "comparisons": comparisons,
        "impact": last,
        "jumpstart": comparisons[0],
        "asymptote": last,
        "time_to_threshold": {"transferred": None, "scratch": None},
        "transfer_ratio": None,
    }
