"""The runtime folder: private, or open to its group alone."""

import os
from pathlib import Path

from btc_ai.errors import BtcAiError


def make_private(folder: Path) -> None:
    """Make the runtime folder, 0700, or keep the one there is; it may be open to its group (0750).

    Raises BtcAiError where others own it or could write to it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owners, mode = {folder.stat().st_uid, folder.lstat().st_uid}, folder.stat().st_mode
    except OSError as error:
        raise BtcAiError(
            f"cannot make the runtime folder {folder}: {error.strerror}; "
            "name another in BTC_AI_RUNTIME_DIR"
        ) from None
    if owners != {os.geteuid()}:
        raise BtcAiError(
            f"the runtime folder {folder} belongs to another user, who could read and forge "
            "commands; remove it, or name another in BTC_AI_RUNTIME_DIR"
        )
    if mode & 0o022:
        raise BtcAiError(
            f"other users can write to the runtime folder {folder}; run `chmod 700 {folder}`, or "
            "name another in BTC_AI_RUNTIME_DIR"
        )
