"""What `btc-ai show` prints."""

from typing import Any

from rich.console import Console
from rich.table import Table

from btc_ai.cli.context import market_name, restart_words, state_of
from btc_ai.cli.tables import memory_words, moment, number, summary
from btc_ai.cli.transfer_words import joined, lineage_lines, news

Body = dict[str, Any]

HISTORY_COLUMNS = {
    "episode": "d", "reward": "+.4f", "loss": ".4f", "win_rate": ".1%", "profit_factor": ".2f",
    "validation_reward": "+.4f",
}  # fmt: skip


def print_run(run: Body) -> None:
    """Print one run."""
    console = Console(highlight=False)
    console.print(f"run      {run['run']}: {state_of(run)}", markup=False)
    if run["error"]:
        console.print(f"error    {run['error']}", markup=False)
    console.print(f"market   {market_name(run)}, seed {run['seed']}")
    console.print(f"begun    {moment(run['created'])}, last change {moment(run['updated'])}")
    for step in run["steps"]:
        _print_step(console, step)
    if any(step["transfer"] for step in run["steps"]):
        console.print("\nlineage", *lineage_lines(run), sep="\n  ", markup=False)
    if any(step["outcome"] for step in run["steps"]):
        console.print("", summary(run, console.width), sep="\n")


def _print_step(console: Console, step: Body) -> None:
    console.print(
        f"\n{step['bucket']}: {step['state']}, {step['episode']}/{step['episodes']} episodes "
        f"by {step['learner']}"
    )
    plan, outcome = step["transfer"], step["outcome"]
    if step["continued_from"]:
        console.print(f"  trained further from {step['continued_from']}", markup=False)
    if plan and plan["kinds"]:
        console.print(
            f"  {joined(plan['kinds'])} from {plan['source']}: "
            f"matched {', '.join(plan['matched'])}; new {', '.join(plan['new']) or 'none'}",
            markup=False,
        )  # fmt: skip
    elif plan:
        console.print(f"  no transfer: {plan['reason']}", markup=False)
    for text in news(step).values():
        console.print(f"  {text}", markup=False, soft_wrap=True)
    for note in step["memory"]:
        console.print(f"  {memory_words(note)}", markup=False)
    if step["degraded"]:
        console.print("  degraded: for want of memory, updates are smaller than configured")
    if step["restarts"]:
        console.print(f"  restarts: {restart_words(step['restarts'])}", markup=False)
    if outcome:
        best = outcome["validation"]
        console.print(
            f"  chosen on validation: episode {best['episode']}, {best['value']:+.4f} bps a bar"
            f"{_evidence(best)}\n"
            f"  model   {outcome['model']}\n  sha256  {outcome['weights_sha256']}", markup=False,
        )  # fmt: skip
    elif step["directory"]:
        console.print(f"  files   {step['directory']}", markup=False)
    if step["metrics"]:
        rows = step.get("history") or [step["metrics"]]
        console.print(_history(rows))


def _evidence(validation: Body) -> str:
    """Whether the model trades, in words; nothing for runs that were not yet asked."""
    if "abstains" not in validation:
        return ""
    t = validation["t_value"]
    found = "never traded there" if t is None else f"t {t:.1f} against staying flat"
    if not validation["abstains"]:
        return f" ({found})"
    return f"\n  abstains: no evidence on validation ({found}), so it stays flat"


def _history(rows: list[Body]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in HISTORY_COLUMNS:
        table.add_column(name.replace("_", " "), justify="right")
    for row in rows:
        table.add_row(*(number(row[name], form) for name, form in HISTORY_COLUMNS.items()))
    return table
