"""Works through one job, step by step, in one warm worker process."""

from collections.abc import Callable

from btc_ai.api.journal import Job, Step
from btc_ai.api.service import Body, Context


class Runner:
    """One job in progress; the `Work` of `btc_ai.api.queue`.

    A step's spec has `function` and `arguments`; the function also gets `job`, the job's id.
    """

    def __init__(
        self, context: Context, job: Job, changed: Callable[[Job], None],
        progressed: Callable[[Job, Step, Body], None],
    ) -> None:  # fmt: skip
        """It tells `changed` of new states and `progressed` of what a step says."""
        self._context, self._changed, self._progressed = context, changed, progressed
        self._job = job
        self._worker = context.worker(f"{job.kind}.{job.id}")

    async def run(self) -> None:
        """Run every step that is left; a step's result is kept in the journal."""
        journal = self._context.journal
        try:
            self._set(journal.set_job(self._job.id, state="running"))
            for step in self._job.steps:
                if step.state != "done":
                    await self._step(step)
        finally:
            await self._worker.close()

    async def _step(self, step: Step) -> None:
        journal, spec = self._context.journal, step.spec
        self._set(journal.set_step(self._job.id, step.position, state="running"))

        def hear(body: Body) -> None:
            self._progressed(self._job, step, body)

        arguments = {**spec["arguments"], "job": self._job.id}
        result = await self._worker.run(spec["function"], arguments, hear)
        self._set(journal.set_step(self._job.id, step.position, state="done", result=result))

    async def stop(self) -> None:
        """Stop; a step that keeps checkpoints goes on from the last one."""
        await self._worker.stop()

    def _set(self, job: Job) -> None:
        self._job = job
        self._changed(job)
