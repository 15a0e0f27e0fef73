"""Waiting for a condition, and how often a test repeats what it repeats.

The environment variable `REGIONAL_FAULTS=long` (`make test-faults`) makes the tests that repeat
something do so as often as the promise says; without it they take a sample.
"""

import os
import time
from collections.abc import Callable, Sequence
from random import Random

# Seconds. A machine may be busy with ten other things; what comes true ends the wait.
PATIENCE = 600.0
LONG = os.environ.get("REGIONAL_FAULTS") == "long"


def sample(positions: Sequence[int], count: int) -> Sequence[int]:
    """All of `positions` in the long form, else the first, the last and others between them,
    `count` in all and the same in every run."""
    if LONG or len(positions) <= count:
        return positions
    between = Random(count).sample(positions[1:-1], count - 2)
    return [positions[0], *sorted(between), positions[-1]]


def eventually(condition: Callable[[], object], timeout: float = PATIENCE) -> None:
    """Returns when `condition` holds. It asks at once, and then less and less often: many a
    condition is a query, which takes processor time from what is waited for."""
    start = time.monotonic()
    while not condition():
        waited = time.monotonic() - start
        assert waited < timeout, "it never came true"
        time.sleep(min(0.005 + waited / 20, 0.25))
