"""The ledger of transfers: what each carried, at what cost, and whether it helped.

A line is written when a transfer has been made, another when the model is trained, a third with the
verdict; they have the same id, and a later line adds to an earlier one. Lines are only ever added.
"""

import fcntl
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from btc_ai.durable import sync_directory
from btc_ai.learning.files import disk_errors
from btc_ai.learning.transfer.safeguard import TransferReport

Row = dict[str, Any]


@dataclass(frozen=True)
class TransferLedger:
    """The ledger at `path`, for the transfer `id`."""

    path: Path
    id: str

    def began(self, report: TransferReport, run: str, source: Row, target: Row) -> None:
        """The transfer was made, or could not be. `source`: bucket, model, weights_sha256."""
        plain = report.to_json()
        done = plain.pop("done") or {}
        self._append(
            {
                "kinds": done.get("kinds", []),
                **{key: plain[key] for key in ("asked", "rung", "rungs", "reason")},
                **{key: plain[key] for key in ("error", "duration_s")},
                **{key: done.get(key, []) for key in ("matched", "new", "left")},
                "memory": {"before": plain["before"], "peak_mb": plain["peak_mb"],
                           "after": plain["after"], "kept_mb": plain["kept_mb"]},
                "run": run,
                "source": source,
                "target": target,
                "verdict": None,
            }
        )  # fmt: skip

    def trained(self, weights_sha256: str, own_mb: float) -> None:
        """The target is trained; own_mb: what this process holds with everything released."""
        self._append({"target_sha256": weights_sha256, "released_mb": own_mb})

    def judged(self, verdict: Row) -> None:
        """Both arms have been compared; `verdict` as by `Verdict.to_json`."""
        self._append({"verdict": verdict})

    def declined(self, run: str, transfer: Row, target: Row, verdict: Row) -> None:
        """A study has taken the transfer back before it was made. `transfer`: kinds and source."""
        nothing: Row = {"before": {}, "peak_mb": None, "after": {}}
        self._append(
            {
                "kinds": [], "asked": transfer["kinds"], "rung": None, "rungs": [],
                "reason": verdict["reason"], "error": None, "duration_s": 0.0,
                "matched": [], "new": [], "left": [], "memory": nothing, "run": run,
                "source": transfer["source"], "target": target, "verdict": verdict,
            }
        )  # fmt: skip

    def not_judged(self, reason: str) -> None:
        """There was nothing to compare with. The transfer's own `error` is another matter."""
        self._append({"not_measured": reason})

    def _append(self, fields: Row) -> None:
        """One write under a lock, durable; a line that a crash cut short is closed first."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        line = json.dumps({"id": self.id, "time": now, **fields}).encode() + b"\n"
        with disk_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            created = not self.path.exists()
            with self.path.open("a+b", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                size = file.seek(0, os.SEEK_END)
                if size and os.pread(file.fileno(), 1, size - 1) != b"\n":
                    line = b"\n" + line
                file.write(line)
                os.fsync(file.fileno())
            if created:
                sync_directory(self.path.parent)
