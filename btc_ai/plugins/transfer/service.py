"""Says what may be handed from one bucket's model to another's training, and why not.

Planning reads a model's JSON alone; a worker applies the plan (`btc_ai.learning.transfer`).
"""

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from btc_ai.api.service import Body, Call, Command, Context


class PlanBody(BaseModel):
    """`source`: a model's directory. `features`: what the target bucket uses."""

    model_config = ConfigDict(extra="forbid")

    source: str
    target: str
    features: list[str]


class TransferService:
    """Answers `transfer.plan`."""

    def __init__(self, context: Context) -> None:
        """A service over its context; it keeps no state."""
        self._context = context

    def commands(self) -> Sequence[Command]:
        """The rows of the dispatch table."""
        return (Command("transfer.plan", PlanBody, self._plan),)

    async def start(self) -> None:
        """Nothing to begin."""

    async def stop(self) -> None:
        """Nothing to end."""

    def status(self) -> Body:
        """Which kinds are switched on."""
        return {"kinds": self._kinds()}

    def _kinds(self) -> list[str]:
        settings = self._context.read_config().KNOWLEDGE_TRANSFER
        return ["weights"] if settings.ENABLED and settings.TRANSFER_WEIGHTS else []

    async def _plan(self, body: PlanBody, call: Call) -> Body:
        """What would be matched by name, what is new to the target, what is left behind."""
        kinds = self._kinds()
        if not kinds:
            return {"kinds": [], "reason": "KNOWLEDGE_TRANSFER switches it off"}
        card = Path(body.source) / "model.json"
        try:
            model = json.loads(card.read_bytes())
            source, known = model["settings"]["bucket"], list(model["settings"]["features"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            return {"kinds": [], "reason": f"the source model {card} cannot be read: {error}"}
        matched = [name for name in body.features if name in known]
        if not matched:
            return {"kinds": [], "reason": f"{source} and {body.target} share no feature"}
        return {
            "kinds": kinds,
            "source": source,
            "model": body.source,
            "matched": matched,
            "new": [name for name in body.features if name not in known],
            "left": [name for name in known if name not in body.features],
        }
