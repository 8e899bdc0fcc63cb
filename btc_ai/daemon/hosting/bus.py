"""What a plugin in a process of its own does on the bus: what its manifest permits, no more."""

from btc_ai.api.discovery import Manifest
from btc_ai.api.service import Body, Call, Logger
from btc_ai.bus.codec import Envelope
from btc_ai.daemon.hosting.context import Parts, require_publish, require_send
from btc_ai.errors import BtcAiError, PluginError

KINDS_LOGGED = 100


class PluginBus:
    """Publishes and calls for one plugin. What it asks comes over its own link, and is its own."""

    def __init__(self, manifest: Manifest, parts: Parts, log: Logger) -> None:
        """Nothing may be published until `events` says what the plugin has named."""
        self._manifest, self._parts, self._log = manifest, parts, log
        self._refused: set[str] = set()
        self.events: frozenset[str] = frozenset()

    def publish(self, message: Envelope) -> None:
        """Publish an event; what may not be is logged, once a kind."""
        kind, body = message.body["kind"], message.body["body"]
        try:
            require_publish(self._manifest, kind)
            if kind not in self.events:
                raise PluginError(f"publishes {kind}, which btc_ai_messages lacks")
            self._parts.broker.publish(
                kind, body, source=self._manifest.name, parent_id=message.parent_id
            )
        except BtcAiError as error:
            if kind not in self._refused and len(self._refused) < KINDS_LOGGED:
                self._refused.add(kind)
                self._log.error("event refused", kind=kind, error=str(error))

    async def call(self, message: Envelope) -> Body:
        """Send a command and return its result."""
        kind, body = message.body["kind"], message.body["body"]
        if kind != "daemon.events":  # what it may hear anyway
            require_send(self._manifest, kind)
        name = self._manifest.name
        call = Call(message.id, name, who=f"plugin {name}")
        return await self._parts.dispatcher.answer(kind, body, call)
