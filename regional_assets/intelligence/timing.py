"""Spans of time that several parts share, in ms but for `SCHEDULE_HOURS`."""

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

# How often the snapshots of all regions are taken.
SCHEDULE_HOURS = 6

# Clocks differ by this much; a time further ahead is wrong.
FUTURE_TOLERANCE_MS = 5 * MINUTE_MS
