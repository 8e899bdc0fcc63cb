"""For programs beside the daemon, such as a trading bot: send it commands.

It is as stable as `btc_ai.api`. What runs inside a plugin's service uses its context
instead.
"""

from btc_ai.bus.client import Client
from btc_ai.paths import runtime_dir

__all__ = ["Client", "connect"]


def connect(*, source: str, timeout: float = 10.0) -> Client:
    """A connection to the user's daemon, or the machine's; use it as a context manager.

    source: who sends, as the daemon's log names it. timeout: seconds to wait for each reply. Raises
    BtcAiError where no daemon runs, as `call` does for an error reply and where none comes.
    """
    return Client(runtime_dir(), source=source, timeout=timeout)
