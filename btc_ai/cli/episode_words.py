"""An episode in words, as long as there is room."""

from typing import Any

from btc_ai.cli.tables import duration, number

Body = dict[str, Any]

DROPPED_FIRST = ("speed", "loss", "pf", "win")


def episode_words(body: Body, *, room: int = 100) -> str:
    """Reward, loss, win rate, profit factor, speed and time left; in little room not all."""
    metrics = body["metrics"]
    parts = {
        "reward": f"reward {number(metrics['reward'], '+.3f')}",
        "loss": f"loss {number(metrics['loss'], '.3f')}",
        "win": f"win {number(metrics['win_rate'], '.0%')}",
        "pf": f"pf {number(metrics['profit_factor'], '.2f')}",
    }
    if metrics.get("bars_per_second"):
        parts["speed"] = f"{metrics['bars_per_second'] / 1000:.0f}k bars/s"
    if body.get("eta_s"):
        parts["left"] = f"{duration(body['eta_s'])} left"
    for name in DROPPED_FIRST:
        if len("  ".join(parts.values())) > room:
            parts.pop(name, None)
    return "  ".join(parts.values())
