"""Problems that are known: how their records read, what is behind them, what to do.

The guide's Troubleshooting, and what docs/ says of each part. The first that matches counts.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """One known problem. pattern: a regular expression for the text or the traceback."""

    pattern: str
    cause: str
    todo: str


KNOWN = (
    Known(
        r"out of memory|MemoryError|memory of the \w+: |memory limit of \d+ MiB"
        r"|ran out of the \d+ MiB",
        "training needs more memory than there is (docs/memory.md)",
        "reduce BATCH_SIZE; switch off some kinds of KNOWLEDGE_TRANSFER; train fewer buckets in a "
        "run; close other programs that use the GPU; then `btc-ai train --resume`",
    ),
    Known(
        r"No space left on device|disk full|[Dd]isk quota exceeded|database or disk is full",
        "a disk is full",
        "make space in MODELS_DIR, DATA_DIR or LOG_DIR (`btc-ai doctor` measures them), then "
        "`btc-ai train --resume`",
    ),
    Known(
        r"Permission denied|Read-only file system|cannot write ",
        "a folder or file cannot be written by the daemon's user",
        "check the permissions of MODELS_DIR, DATA_DIR and LOG_DIR: `btc-ai doctor` names what "
        "is wrong",
    ),
    Known(
        r"Too many open files",
        "the process may not open as many files as it needs",
        "raise `ulimit -n`, or LimitNOFILE of the service (docs/service.md)",
    ),
    Known(
        r"^no transfer\b|the transfer carries |share no feature|source model .+ cannot be read",
        "a bucket got less from the one before than was asked for (docs/transfer.md)",
        "verify with `btc-ai show` that the source bucket was trained; transfer only some kinds; "
        "train the source bucket for more episodes; compare the two in BUCKET_CONFIGS",
    ),
    Known(
        r"worker is stalled|silent for \d+ s",
        "a step has not been heard of for SUPERVISION.STALLED_AFTER seconds (docs/supervision.md)",
        "wait, it may be at honest work; else `btc-ai stop RUN` and `btc-ai train --resume`",
    ),
    Known(
        r"worker died; restarting it|worker does not end; killing it",
        "a worker process ended before its step did (docs/supervision.md)",
        "it goes on from its last checkpoint by itself; the cause is in the record, and "
        "`btc-ai show RUN` counts them",
    ),
    Known(
        r"checkpoint .+ is damaged",
        "a checkpoint was damaged after it was written, and the one before it was taken",
        "nothing, the run goes on; check the disk if it comes again",
    ),
    Known(
        r"plugin cannot be (loaded|started|used)|plugin died; restarting it",
        "a plugin fails; everything else goes on (docs/plugins.md)",
        "`btc-ai plugins info NAME` says why; update it, or `btc-ai plugins disable NAME`",
    ),
    Known(
        r"plugin does not stop|plugin leaves something behind",
        "a plugin does not end its work when it is told to",
        "report it to the plugin's author; the daemon has ended it",
    ),
    Known(
        r"metrics sink failed",
        "a plugin could not take metrics; training does not depend on it",
        "see the traceback, and the plugin's settings: `btc-ai plugins info NAME`",
    ),
    Known(
        r"wrote too much; lines dropped|events dropped: too many are unsent"
        r"|log records (?:are lost|dropped): ",
        "a process says more than can be taken",
        "have the plugin or the step say less, or log from a higher LEVEL on",
    ),
    Known(
        r"logs cannot be written",
        "LOG_DIR cannot be written; what is logged meanwhile is kept as long as there is room",
        "mend what the reason names; logging resumes by itself (docs/logs.md)",
    ),
    Known(
        r"the history cannot be written; trying again|event cannot be recorded",
        "the database of the history does not take what is measured (docs/monitoring.md)",
        "see that the database of HISTORY_URL is there and has space; what is missing is caught "
        "up with",
    ),
    Known(
        r"configuration refused|change cannot be applied",
        "the configuration was changed to what cannot be used; the old one holds",
        "`btc-ai config check` names everything that is wrong",
    ),
    Known(
        r"changes wait for a restart",
        "some settings hold only from the daemon's next start",
        "`btc-ai daemon restart`; runs go on",
    ),
    Known(
        r"key refused|connection refused",
        "somebody without a valid key tried to reach the daemon, or a key's file is wrong",
        "`btc-ai keys list`; make a new key with `btc-ai keys new` (docs/security.md)",
    ),
    Known(
        r"self-check failed",
        "the daemon did not answer itself in time; systemd restarts it if it goes on",
        "look for a machine that is overloaded, or suspended; `btc-ai doctor`",
    ),
)


def find_known(text: str) -> Known | None:
    """The known problem that a record's text and traceback are of."""
    return next((one for one in KNOWN if re.search(one.pattern, text, re.MULTILINE)), None)
