"""Works through one run: train a bucket, pause, train the next, in one warm worker process."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from structlog.contextvars import bound_contextvars

from btc_ai.api.errors import BtcAiError
from btc_ai.api.journal import Job, Step
from btc_ai.api.service import Context
from btc_ai.api.step import StepStoppedError
from btc_ai.config import DEFAULT_MAX_MEMORY_USAGE
from btc_ai.paths import latest_model, point_latest, transfers_file, trials_file
from btc_ai.plugins.training.arms import Arms
from btc_ai.plugins.training.plan import next_step, of_real_candles
from btc_ai.plugins.training.standing import Standing
from btc_ai.plugins.training.studied import study_of, verdict_of
from btc_ai.plugins.training.view import newest_progress

Body = dict[str, Any]

STUDIED = "study {study} judges the transfer first (`btc-ai study show {study}`)"
KEPT = ("market", "symbol", "interval", "data_dir", "memory_limits")


class Runner:
    """One run in progress."""

    def __init__(
        self, context: Context, job: Job, models_dir: Path, changed: Callable[[Job], None]
    ) -> None:
        """A runner of `job`; it tells `changed` of new states, and publishes all other news."""
        self._context, self._models_dir = context, models_dir
        self.now = Standing(context, job, changed)
        self._arms = Arms(context, job.id, self.now.hear_health)
        self._stopping = asyncio.Event()
        self.ended = asyncio.Event()

    async def run(self) -> Job:
        """Train every step that is left and return the run as it ended.

        Raises StepStoppedError where `stop` ended it, and BtcAiError where a step failed.
        """
        try:
            self.now.set(self._context.journal.set_job(self.now.job.id, state="running"))
            while step := next_step(self.now.job):
                with bound_contextvars(bucket=step.name):
                    await self._train(step)
                if next_step(self.now.job):
                    await self._pause(self.now.job.spec["pause_s"])
            return self.now.job
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
        self.now.set(
            journal.set_step(self.now.job.id, step.position, state="running", result=result)
        )
        arguments = {
            **{key: self.now.job.spec[key] for key in KEPT},
            "run": self.now.job.id,
            "settings": step.spec["settings"],
            "directory": result["directory"],
            "trials": str(trials_file(self._models_dir)),
            "continue_from": step.spec.get("continue_from"),
            "transfer": self._transfer(step, result),
            "scratch": None,
            "degraded": any(note["degraded"] for note in result.get("memory", [])),
        }
        outcome, verdict = await self._outcome(step, arguments)
        progress = self.now.progress.pop(step.position, step.result.get("progress"))
        found = {"outcome": outcome, "progress": progress, "verdict": verdict}
        done = {**self.now.result(step), **found}
        if outcome["model"] != done["directory"]:
            done |= self._of_twin(done, outcome)
        if self._is_untouched(step, verdict):
            done["transfer"] = {**done["transfer"], "untouched": True}
        elif not of_real_candles(self._models_dir, self.now.job.spec["market"], [step.name]):
            point_latest(Path(outcome["model"]))
        self.now.set(journal.set_step(self.now.job.id, step.position, state="done", result=done))
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
            self.now.hear(step, body)

        verify = self.now.job.spec.get("verify", "off") if arguments["transfer"] else "off"
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
            self.now.note(step, {"study": study})
            hear({"said": {"study": STUDIED.format(study=study)}})

        body, known = self._study(step, arguments), self.now.result(step).get("study")
        results = await study_of(self._context, body, known, begun, self._stopping)
        verdict, transfer = verdict_of(results), arguments["transfer"]
        if verdict["decision"] == "rolled_back":
            hear({"rolled_back": f"transfer rolled back: {verdict['reason']}"})
            arguments = {**arguments, "transfer": None}
        outcome = await self._arms.train(arguments, hear)
        if verdict["decision"] == "kept" and not self.now.result(step)["transfer"]["kinds"]:
            return outcome, None
        await self._arms.keep_verdict({**arguments, "transfer": transfer, "verdict": verdict})
        return outcome, verdict

    def _study(self, step: Step, arguments: Body) -> Body:
        """The study of this very transfer; see `study.transfer`."""
        spec, transfer = self.now.job.spec, arguments["transfer"]
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
            "id": f"{self.now.job.id}-{step.position}",
            "kinds": plan["kinds"],
            "source": {
                "bucket": plan["source"],
                "model": plan["model"],
                "weights_sha256": plan.get("weights_sha256"),
            },
            "ledger": str(transfers_file(self._models_dir)),
            "max_memory": self.now.job.spec.get("max_memory", DEFAULT_MAX_MEMORY_USAGE),
        }

    def _is_untouched(self, step: Step, verdict: Body | None) -> bool:
        """Whether nothing came of a transfer on request, and the bucket keeps the model it had."""
        if "transfer_from" not in step.spec or latest_model(self._models_dir, step.name) is None:
            return False
        rolled_back = verdict is not None and verdict["decision"] == "rolled_back"
        return rolled_back or not self.now.result(step)["transfer"]["kinds"]

    async def _tell_verdict(self, step: Step, verdict: Body) -> None:
        impact = verdict.get("impact") or {}
        body = {
            "transfer": f"{self.now.job.id}-{step.position}",
            "run": self.now.job.id,
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
        directory = self._models_dir / step.name / f"{self.now.job.id}{suffix}"
        return {"directory": str(directory), "transfer": await self._plan_transfer(step)}

    def _same_bucket(self, step: Step) -> list[Step]:
        return [one for one in self.now.job.steps if one.name == step.name]

    async def _plan_transfer(self, step: Step) -> Body | None:
        done = [one for one in self.now.job.steps if one.state == "done" and one.name != step.name]
        asked = step.spec.get("transfer_from")
        if "continue_from" in step.spec or not (asked or (done and self.now.job.spec["transfer"])):
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
