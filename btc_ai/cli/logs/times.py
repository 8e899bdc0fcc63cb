"""When: what --since and --until take."""

import re
import time
from datetime import date, datetime, timedelta

from btc_ai.errors import UsageError

FORMS = (
    "a date or time (2026-11-26, '2026-11-26 14:30', 2026-11-26T14:30+01:00; local where it names "
    "no zone), today, yesterday, or how long ago (90s, 30m, 2h, 3d, 1w, '2 hours ago')"
)
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_AGO = re.compile(
    r"(\d{1,9})\s*(?:([smhdw])|(second|minute|hour|day|week)s?|(sec|min)s?)(?:\s+ago)?"
)


def moment(option: str, text: str) -> float:
    """Unix seconds. Raises UsageError that names the option and says which forms there are."""
    said = text.strip()
    today = date.today()
    days = {"today": today, "yesterday": today - timedelta(days=1)}
    if found := _AGO.fullmatch(said.lower()):
        count, *units = found.groups()
        unit = next(one for one in units if one)[0]
        return time.time() - int(count) * UNITS[unit]
    try:
        if day := days.get(said.lower()):
            return datetime.combine(day, datetime.min.time()).timestamp()
        return datetime.fromisoformat(said).timestamp()
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"{option} {text[:60]!r} is no time; it takes {FORMS}") from None
