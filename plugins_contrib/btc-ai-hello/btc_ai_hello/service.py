"""The service: a command, an event, and a subscriber."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from btc_ai.api.messages import Event
from btc_ai.api.service import Body, Call, Command, Context


class Settings(BaseModel):
    """PLUGINS.hello.SETTINGS of the configuration."""

    model_config = ConfigDict(extra="forbid")

    greeting: str = Field("hello", min_length=1, max_length=100)


class SayBody(BaseModel):
    """Whom to greet."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field("world", min_length=1, max_length=100)


class Said(Event):
    """Somebody was greeted."""

    kind = "hello.said"

    to: str


class HelloService:
    """Answers `hello.say`, and counts the runs that ended, by their last state."""

    def __init__(self, context: Context) -> None:
        """Over its context, which is all it may touch."""
        self._context = context
        self._said = 0
        self._ended: dict[str, str] = {}

    def commands(self) -> Sequence[Command]:
        """The commands it answers."""
        return (Command("hello.say", SayBody, self._say, role="viewer"),)

    async def start(self) -> None:
        """Begin to listen."""
        self._context.spawn("listen", self._listen())

    async def stop(self) -> None:
        """Nothing to release: the context ends the task."""

    def status(self) -> Body:
        """What `btc-ai plugins info hello` shows."""
        states = list(self._ended.values())
        return {"said": self._said, "runs": {one: states.count(one) for one in sorted({*states})}}

    async def _listen(self) -> None:
        async for event in self._context.subscribe("training.run"):
            if event.body["state"] in ("done", "failed", "stopped"):
                self._ended[event.body["run"]] = event.body["state"]

    async def _say(self, body: SayBody, call: Call) -> Body:
        self._said += 1
        self._context.publish(Said(to=body.name), parent_id=call.id)
        return {"text": f"{self._context.settings.greeting}, {body.name}"}
