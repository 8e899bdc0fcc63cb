"""Reads the ledger of transfers, which workers write (`btc_ai.learning.transfer.ledger`)."""

from pathlib import Path
from typing import Any

from btc_ai.api.errors import TrainingError
from btc_ai.history import files

Row = dict[str, Any]


def read_transfers(path: Path) -> list[Row]:
    """All transfers, newest first. Raises TrainingError where they cannot be read."""
    try:
        return files.read_transfers(path)
    except OSError as error:
        raise TrainingError(f"cannot read {path}: {error.strerror}") from None


def find_transfer(rows: list[Row], wanted: str | None) -> Row:
    """The transfer meant. Raises TrainingError where there is none, or several."""
    if not rows:
        raise TrainingError(
            "there are no transfers yet; `btc-ai train` makes them between buckets, "
            "`btc-ai transfer --from A --to B` on request"
        )
    if wanted is None:
        return rows[0]
    matching = [row for row in rows if wanted and row["id"].startswith(wanted)]
    exact = [row for row in matching if row["id"] == wanted]
    if len(exact or matching) == 1:
        return (exact or matching)[0]
    if matching:
        ids = ", ".join(row["id"] for row in matching[:5])
        raise TrainingError(f"{wanted} begins several transfers: {ids}; give more of the id")
    raise TrainingError(f"there is no transfer {wanted!r}; `btc-ai transfer list` lists them")


def with_states(rows: list[Row], runs: list[Row]) -> list[Row]:
    """Each with the `state` of the step that it is of, as in `training.runs`; None where gone."""
    states = {
        f"{run['run']}-{step['position']}": step["state"] for run in runs for step in run["steps"]
    }
    return [{**row, "state": states.get(row["id"])} for row in rows]
