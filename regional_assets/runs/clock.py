"""The clock: a run reads it once and passes the time down."""

import time


def current_time() -> int:
    """In ms since the epoch."""
    return time.time_ns() // 1_000_000
