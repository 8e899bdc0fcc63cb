"""Works through one run: train a bucket, pause, train the next, in one warm worker process."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from structlog.contextvars import bound_contextvars

from btc_ai.api.errors import BtcAiError
from btc_ai.api.journal import Job, Step
from btc_ai.api.messages import Event
from btc_ai.api.service import Context, Health
from btc_ai.api.step import StepStoppedError
from btc_ai.config import DEFAULT_MAX_MEMORY_USAGE
from btc_ai.paths import latest_model, point_latest, transfers_file, trials_file
from btc_ai.plugins.training.arms import Arms
from btc_ai.plugins.training.messages import (
    Diverged,
    EpisodeEnded,
    MemoryChanged,
    TwinEpisodeEnded,
)
from btc_ai.plugins.training.plan import next_step
from btc_ai.plugins.training.studied import study_of, verdict_of
from btc_ai.plugins.training.view import newest_progress

Body = dict[str, Any]

STUDIED = "study {study} judges the transfer first (`btc-ai study show {study}`)"
KEPT = ("market", "symbol", "interval", "data_dir", "memory_limits")


class Runner:
    """One run in progress."""

    def __init__(
        self,
        context: Context,
        job: Job,
        models_dir: Path,
        changed: Callable[[Job], None],
    ) -> None:
        """A runner of `job`; it tells `changed` of new states, and publishes all other news."""
        self._context, self._models_dir = context, models_dir
        self._changed = changed
        self.job = job
        self.progress: dict[int, Body] = {}
        self.stalled: dict[str, float] = {}
        self._arms = Arms(context, job.id, self._hear_health)
        self._stopping = asyncio.Event()
        self.ended = asyncio.Event()

    async def run(self) -> Job:
        """Train every step that is left and return the run as it ended.

        Raises StepStoppedError where `stop` ended it, and BtcAiError where a step failed.
        """
        try:
            self._set(self._context.journal.set_job(self.job.id, state="running"))
            while step := next_step(self.job):
                with bound_contextvars(bucket=step.name):
                    await self._train(step)
                if next_step(self.job):
                    await self._pause(self.job.spec["pause_s"])
            return self.job
        finally:
            try:
                await self._arms.close()
            finally:
                self.ended.set()

    async def stop(self) -> None:
        """Stop at a checkpoint; returns when the run has ended."""
        self._stopping.set()
        await self._arms.stop()
        await self.ended.wait()

    def _set(self, job: Job) -> None:
        self.job = job
        self._changed(job)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return
        raise StepStoppedError("stopped between two buckets")

    async def _train(self, step: Step) -> None:
        journal, log = self._context.journal, self._context.log
        log.info("bucket begins", episodes=step.spec["settings"]["episodes"])
        result = step.result or await self._begin(step)
        self._set(journal.set_step(self.job.id, step.position, state="running", result=result))
        arguments = {
            **{key: self.job.spec[key] for key in KEPT},
            "run": self.job.id,
            "settings": step.spec["settings"],
            "directory": result["directory"],
            "trials": str(trials_file(self._models_dir)),
            "continue_from": step.spec.get("continue_from"),
            "transfer": self._transfer(step, result),
            "scratch": None,
            "degraded": any(note["degraded"] for note in result.get("memory", [])),
        }
        outcome, verdict = await self._outcome(step, arguments)
        progress = self.progress.pop(step.position, step.result.get("progress"))
        done = {**self._result(step), "outcome": outcome, "progress": progress, "verdict": verdict}
        if outcome["model"] != done["directory"]:
            done |= self._of_twin(done, outcome)
        if self._is_untouched(step, verdict):
            done["transfer"] = {**done["transfer"], "untouched": True}
        else:
            point_latest(Path(outcome["model"]))
        self._set(journal.set_step(self.job.id, step.position, state="done", result=done))
        log.info("bucket ends", model=outcome["model"])
        if verdict:
            await self._tell_verdict(step, verdict)

    @staticmethod
    def _of_twin(done: Body, outcome: Body) -> Body:
        """What the step shows where the twin is its model: the twin's own numbers and notes."""
        rungs = [note for note in outcome["memory"] if note["what"] == "rung"]
        others = [note for note in done.get("memory", []) if note["what"] != "rung"]
        return {
            "directory": outcome["model"],
            "progress": newest_progress(Path(outcome["model"])),
            "memory": others + rungs,
        }

    async def _outcome(self, step: Step, arguments: Body) -> tuple[Body, Body | None]:
        """What the step's model is, and the verdict on its transfer, if it was measured."""

        def hear(body: Body) -> None:
            self._hear(step, body)

        verify = self.job.spec.get("verify", "off") if arguments["transfer"] else "off"
        if verify == "study":
            return await self._studied(step, arguments, hear)
        if verify == "twin":
            return await self._arms.train_measured(arguments, hear)
        return await self._arms.train(arguments, hear), None

    async def _studied(
        self, step: Step, arguments: Body, hear: Callable[[Body], None]
    ) -> tuple[Body, Body | None]:
        """Train a bucket as a study of many seeds advises, and write the verdict down."""

        def begun(study: str) -> None:
            self._note(step, {"study": study})
            hear({"said": {"study": STUDIED.format(study=study)}})

        body, known = self._study(step, arguments), self._result(step).get("study")
        results = await study_of(self._context, body, known, begun, self._stopping)
        verdict, transfer = verdict_of(results), arguments["transfer"]
        if verdict["decision"] == "rolled_back":
            hear({"rolled_back": f"transfer rolled back: {verdict['reason']}"})
            arguments = {**arguments, "transfer": None}
        outcome = await self._arms.train(arguments, hear)
        if verdict["decision"] == "kept" and not self._result(step)["transfer"]["kinds"]:
            return outcome, None
        await self._arms.keep_verdict({**arguments, "transfer": transfer, "verdict": verdict})
        return outcome, verdict

    def _study(self, step: Step, arguments: Body) -> Body:
        """The study of this very transfer; see `study.transfer`."""
        spec, transfer = self.job.spec, arguments["transfer"]
        where = ("market",) if spec["market"] else ("symbol", "interval")
        return {
            "sequence": [transfer["source"]["bucket"], step.name],
            "seeds": spec["study_seeds"],
            "episodes": step.spec["settings"]["episodes"],
            "learner": step.spec["settings"]["learner"],
            "kinds": transfer["kinds"],
            "seed": spec["seed"],
            **{key: spec[key] for key in where},
        }

    def _transfer(self, step: Step, result: Body) -> Body | None:
        """What the worker is to carry over, None for nothing."""
        plan = result["transfer"]
        if not plan or not plan["kinds"]:
            return None
        return {
            "id": f"{self.job.id}-{step.position}",
            "kinds": plan["kinds"],
            "source": {
                "bucket": plan["source"],
                "model": plan["model"],
                "weights_sha256": plan.get("weights_sha256"),
            },
            "ledger": str(transfers_file(self._models_dir)),
            "max_memory": self.job.spec.get("max_memory", DEFAULT_MAX_MEMORY_USAGE),
        }

    def _is_untouched(self, step: Step, verdict: Body | None) -> bool:
        """Whether nothing came of a transfer on request, and the bucket keeps the model it had."""
        if "transfer_from" not in step.spec or latest_model(self._models_dir, step.name) is None:
            return False
        rolled_back = verdict is not None and verdict["decision"] == "rolled_back"
        return rolled_back or not self._result(step)["transfer"]["kinds"]

    async def _tell_verdict(self, step: Step, verdict: Body) -> None:
        impact = verdict.get("impact") or {}
        body = {
            "transfer": f"{self.job.id}-{step.position}",
            "run": self.job.id,
            "position": step.position,
            "bucket": step.name,
            "decision": verdict["decision"],
            "reason": verdict.get("reason") or verdict.get("error"),
            **{key: impact.get(key) for key in ("difference", "low", "high", "share")},
        }
        try:
            await self._context.call("transfer.judged", body)
        except BtcAiError as error:  # the journal and the ledger have it
            self._context.log.warning("verdict not announced", error=str(error))

    async def _begin(self, step: Step) -> Body:
        """Where the step's files go and what is handed to it; decided once, then kept."""
        suffix = "" if len(self._same_bucket(step)) == 1 else f"-{step.position}"
        directory = self._models_dir / step.name / f"{self.job.id}{suffix}"
        return {"directory": str(directory), "transfer": await self._plan_transfer(step)}

    def _same_bucket(self, step: Step) -> list[Step]:
        return [one for one in self.job.steps if one.name == step.name]

    async def _plan_transfer(self, step: Step) -> Body | None:
        done = [one for one in self.job.steps if one.state == "done" and one.name != step.name]
        asked = step.spec.get("transfer_from")
        if "continue_from" in step.spec or not (asked or (done and self.job.spec["transfer"])):
            return None
        if asked is None:
            source = max(done, key=lambda one: one.ended or 0.0)
            asked = {"model": source.result["directory"], "kinds": None}
        body = {
            "source": asked["model"],
            "target": step.name,
            "features": step.spec["settings"]["features"],
            "kinds": asked["kinds"],
        }
        try:
            plan = await self._context.call("transfer.plan", body)
        except BtcAiError as error:
            plan = {"kinds": [], "reason": str(error)}
        if not plan["kinds"]:
            self._context.log.warning("no transfer", reason=plan["reason"])
        return plan

    def _hear(self, step: Step, body: Body) -> None:
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
            self._note(step, {"rolled_back": body["rolled_back"]})
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
        plan = self._result(step)["transfer"]
        carried = (report["done"] or {}).get("kinds", [])
        if report["reason"]:
            self._context.log.warning("transfer falls short", reason=report["reason"])
        reason = {"reason": report["reason"]} if report["reason"] else {}
        self._note(step, {"transfer": {**plan, **reason, "kinds": carried, "report": report}})

    def _hear_said(self, step: Step, said: Body) -> None:
        """Keep what is said of how a transfer is measured; of one core, once a run."""
        plans = [other.result.get("transfer") or {} for other in self.job.steps]
        known = any("one_core" in plan.get("said", {}) for plan in plans)
        new = {key: text for key, text in said.items() if not (known and key == "one_core")}
        if new:
            plan = self._result(step)["transfer"]
            self._note(step, {"transfer": {**plan, "said": {**plan.get("said", {}), **new}}})

    def _note(self, step: Step, news: Body) -> None:
        """Keep news of the step, and tell it."""
        result = {**self._result(step), **news}
        try:
            job = self._context.journal.set_step(
                self.job.id, step.position, state="running", result=result
            )
        except BtcAiError as error:  # the ledger, or the model's card, has it too
            self._context.log.error("journal cannot be written", error=str(error))
        else:
            self._set(job)

    def _hear_of_memory(self, step: Step, note: Body) -> None:
        """Keep a rung with the step; say once a run that there is no GPU."""
        known = [one["what"] for other in self.job.steps for one in other.result.get("memory", [])]
        if note["what"] == "no_gpu":
            if "no_gpu" in known:
                return
            self._context.log.warning(note["text"])
        if note["what"] in ("rung", "no_gpu"):
            self._note(step, {"memory": [*self._result(step).get("memory", []), note]})
        self._publish(MemoryChanged, step, note)

    def _hear_health(self, worker: str, health: Health) -> None:
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
        self._note(step, {"restarts": restarts})

    def _result(self, step: Step) -> Body:
        """The step's result as it is now."""
        return next(one.result for one in self.job.steps if one.position == step.position)
