"""How a run stands: kept in the journal, told on the bus, and to whoever shows it."""

import time
from collections.abc import Callable
from typing import Any

from btc_ai.api.errors import BtcAiError
from btc_ai.api.journal import Job, Step
from btc_ai.api.messages import Event
from btc_ai.api.service import Context, Health
from btc_ai.plugins.training.messages import (
    Diverged,
    EpisodeEnded,
    MemoryChanged,
    TwinEpisodeEnded,
)
from btc_ai.plugins.training.plan import next_step

Body = dict[str, Any]


class Standing:
    """How one run stands.

    job: as the journal has it. progress: the newest episode of each step, by position. stalled:
    since when (seconds since 1970) workers are silent, by name.
    """

    def __init__(self, context: Context, job: Job, changed: Callable[[Job], None]) -> None:
        """`changed` is told of new states; all other news are published."""
        self._context, self._changed = context, changed
        self.job = job
        self.progress: dict[int, Body] = {}
        self.stalled: dict[str, float] = {}

    def set(self, job: Job) -> None:
        """The run stands as the journal now has it."""
        self.job = job
        self._changed(job)

    def hear(self, step: Step, body: Body) -> None:
        """What a worker has said of a step."""
        if "memory" in body:
            self._hear_of_memory(step, body["memory"])
            return
        if "transfer" in body:
            self._hear_of_transfer(step, body["transfer"])
            return
        if "twin" in body:
            self._publish(TwinEpisodeEnded, step, body["twin"])
            return
        if "diverged" in body:
            self._publish(Diverged, step, body["diverged"])
            return
        if "said" in body:
            self._hear_said(step, body["said"])
            return
        if "rolled_back" in body:
            self.note(step, {"rolled_back": body["rolled_back"]})
            return
        self.progress[step.position] = body
        self._publish(EpisodeEnded, step, body)

    def _publish(self, event: type[Event], step: Step, body: Body) -> None:
        """Tell of the step what a worker has said."""
        of_step = {"run": self.job.id, "position": step.position, "bucket": step.name}
        news = event.model_validate({**of_step, **body})
        self._context.publish(news, parent_id=self.job.parent_id)

    def _hear_of_transfer(self, step: Step, report: Body) -> None:
        """What has been carried over; where that is less than planned, the plan then says so."""
        plan = self.result(step)["transfer"]
        carried = (report["done"] or {}).get("kinds", [])
        if report["reason"]:
            self._context.log.warning("transfer falls short", reason=report["reason"])
        reason = {"reason": report["reason"]} if report["reason"] else {}
        self.note(step, {"transfer": {**plan, **reason, "kinds": carried, "report": report}})

    def _hear_said(self, step: Step, said: Body) -> None:
        """Keep what is said of how a transfer is measured; of one core, once a run."""
        plans = [other.result.get("transfer") or {} for other in self.job.steps]
        known = any("one_core" in plan.get("said", {}) for plan in plans)
        new = {key: text for key, text in said.items() if not (known and key == "one_core")}
        if new:
            plan = self.result(step)["transfer"]
            self.note(step, {"transfer": {**plan, "said": {**plan.get("said", {}), **new}}})

    def note(self, step: Step, news: Body) -> None:
        """Keep news of the step, and tell it."""
        result = {**self.result(step), **news}
        try:
            job = self._context.journal.set_step(
                self.job.id, step.position, state="running", result=result
            )
        except BtcAiError as error:  # the ledger, or the model's card, has it too
            self._context.log.error("journal cannot be written", error=str(error))
        else:
            self.set(job)

    def _hear_of_memory(self, step: Step, note: Body) -> None:
        """Keep a rung with the step; say once a run that there is no GPU."""
        known = [one["what"] for other in self.job.steps for one in other.result.get("memory", [])]
        if note["what"] == "no_gpu":
            if "no_gpu" in known:
                return
            self._context.log.warning(note["text"])
        if note["what"] in ("rung", "no_gpu"):
            self.note(step, {"memory": [*self.result(step).get("memory", []), note]})
        self._publish(MemoryChanged, step, note)

    def hear_health(self, worker: str, health: Health) -> None:
        """Keep since when (seconds since 1970) a worker is stalled, and count its deaths."""
        self.stalled.pop(worker, None)
        if health.state == "stalled":
            self.stalled[worker] = time.time() - health.silent_s
        step = next_step(self.job)
        if health.cause is None or step is None:
            self._changed(self.job)
            return
        restarts = dict(step.result.get("restarts", {}))
        restarts[health.cause] = restarts.get(health.cause, 0) + 1
        self.note(step, {"restarts": restarts})

    def result(self, step: Step) -> Body:
        """The step's result as it is now."""
        return next(one.result for one in self.job.steps if one.position == step.position)
