"""Times and durations that several modules share, in ms except for `SCHEDULE_HOURS`; how they are
shown."""

from datetime import UTC, datetime
from typing import Any

from regional_assets.intelligence.numbers import parse_number

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

# How often the snapshots of all regions are taken.
SCHEDULE_HOURS = 6

# A region that was confirmed longer ago has missed two schedules.
YOUNG_MS = 2 * SCHEDULE_HOURS * HOUR_MS

# Clocks differ by this much; a time further ahead is wrong.
FUTURE_TOLERANCE_MS = 5 * MINUTE_MS

# Up to here (285,000 years of ms) every integer is a double, so that reading it as one changes
# nothing.
EXACT = 1 << 53


def time_of(value: Any) -> int | None:
    """`value` as ms since the epoch, None when it is no number, or beyond any calendar."""
    if type(value) is int and 0 <= value <= EXACT:
        return value
    number = parse_number(value)
    return None if number is None or abs(number) > EXACT else int(number)


def last_confirmed(now: int, generated_at: int, confirmed_at: int | None) -> int:
    """When a stored snapshot was last written or confirmed, as seen at `now` (ms); 0 when that is
    not known (SPEC 6, Summary). A time in the future is a wrong clock's and counts for nothing."""
    times = (generated_at, confirmed_at or 0)
    return max((at for at in times if at <= now + FUTURE_TOLERANCE_MS), default=0)


def age(milliseconds: float) -> str:
    """A time span in its largest fitting unit; a negative one is `ahead`."""
    seconds = abs(milliseconds) / 1000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            text = f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"
            break
    else:
        text = f"{seconds:.0f} s"
    return text if milliseconds >= 0 else f"{text} ahead"


def utc(at: float) -> str:
    """A time (ms) to the minute."""
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M} UTC"
