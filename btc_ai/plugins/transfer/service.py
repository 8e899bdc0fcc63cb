"""The transfer service: plans transfers, begins them on request, and keeps their ledger in view.

Planning reads a model's JSON alone; a worker carries it out (`btc_ai.learning.transfer`).
"""

from collections.abc import Sequence

from btc_ai.api.errors import TrainingError, UsageError
from btc_ai.api.service import Body, Call, Command, Context
from btc_ai.api.settings import require_bucket
from btc_ai.api.transfer import switched_on
from btc_ai.config import SAMPLE_SYMBOL, Config
from btc_ai.paths import transfers_file
from btc_ai.plugins.transfer.ledger import find_transfer, read_transfers, with_states
from btc_ai.plugins.transfer.messages import (
    Judged,
    JudgedBody,
    ListBody,
    PlanBody,
    ShowBody,
    StartBody,
)
from btc_ai.plugins.transfer.plan import market_of_model, plan, source_of

IN_TRAINING = ("queued", "running")


class TransferService:
    """Answers the `transfer.` commands."""

    def __init__(self, context: Context) -> None:
        """A service over its context; it keeps no state."""
        self._context = context

    def commands(self) -> Sequence[Command]:
        """The rows of the dispatch table."""
        return (
            Command("transfer.plan", PlanBody, self._plan, role="viewer"),
            Command("transfer.start", StartBody, self._start),
            Command("transfer.list", ListBody, self._list, role="viewer"),
            Command("transfer.show", ShowBody, self._show, role="viewer"),
            Command("transfer.judged", JudgedBody, self._judged),
        )

    async def start(self) -> None:
        """Nothing to begin."""

    async def stop(self) -> None:
        """Nothing to end."""

    def status(self) -> Body:
        """Which kinds are switched on, and how a transfer is measured."""
        config = self._context.read_config()
        return {
            "kinds": switched_on(config),
            "verify": config.KNOWLEDGE_TRANSFER.TRANSFER_VERIFY,
        }

    async def _plan(self, body: PlanBody, call: Call) -> Body:
        """A plan; one that names no features is of a transfer on request, and checked as such."""
        config = self._context.read_config()
        return plan(config, body) if body.features is not None else await self._asked(config, body)

    async def _start(self, body: StartBody, call: Call) -> Body:
        """Begin a run of the target alone; what it is to be handed is in `plan`."""
        config = self._context.read_config()
        asked = PlanBody(source=body.source, target=body.target, kinds=body.kinds)
        planned = await self._asked(config, asked)
        if not planned["kinds"]:
            raise TrainingError(
                f"nothing can be carried from {body.source} to {body.target}: {planned['reason']}"
            )
        started = await self._context.call(
            "training.start",
            {
                "bucket": body.target,
                "episodes": body.episodes,
                "source": {"model": planned["model"], "kinds": planned["kinds"]},
                **market_of_model(planned["model"], SAMPLE_SYMBOL),
            },
        )
        return {**started, "plan": planned, "notes": [*planned["notes"], *started["notes"]]}

    async def _asked(self, config: Config, body: PlanBody) -> Body:
        """The plan of a transfer on request, dry or not.

        Raises UsageError for a bucket that there is not and for one bucket twice, TrainingError
        for a source without a model and a target that is in training.
        """
        require_bucket(config, body.target)
        if body.source == body.target:
            known = ", ".join(config.BUCKET_CONFIGS)
            raise UsageError(
                f"cannot transfer from {body.source} to {body.target}; give two of {known}"
            )
        source_of(config, body.source)
        await self._refuse_in_training(body.target)
        return plan(config, body)

    async def _refuse_in_training(self, target: str) -> None:
        for run in await self._runs():
            steps = [s for s in run["steps"] if s["bucket"] == target and s["state"] != "done"]
            if run["state"] in IN_TRAINING and steps:
                raise TrainingError(
                    f"{target} is in training: run {run['run']} is {run['state']}, and goes on "
                    f"untouched. Wait for it (`btc-ai watch {run['run']}`) or stop it "
                    f"(`btc-ai stop {run['run']}`), then ask again"
                )

    async def _list(self, body: ListBody, call: Call) -> Body:
        rows = self._rows()[: body.limit]
        return {"transfers": with_states(rows, await self._runs())}

    async def _show(self, body: ShowBody, call: Call) -> Body:
        row = find_transfer(self._rows(), body.transfer)
        return with_states([row], await self._runs())[0]

    async def _runs(self) -> list[Body]:
        return list((await self._context.call("training.runs", {"limit": 500}))["runs"])

    def _rows(self) -> list[Body]:
        return read_transfers(transfers_file(self._context.config.MODELS_DIR))

    async def _judged(self, body: JudgedBody, call: Call) -> Body:
        self._context.log.info("transfer judged", **body.model_dump())
        self._context.publish(Judged(**body.model_dump()))
        return {}
