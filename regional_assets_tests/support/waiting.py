"""Waiting for a condition, and how often a test repeats what it repeats.

The environment variable `REGIONAL_FAULTS=long` (`make test-faults`) makes the tests that repeat
something do so as often as the promise says; without it they take a sample.
"""

import os
import time
from collections.abc import Callable, Sequence
from random import Random

LONG = os.environ.get("REGIONAL_FAULTS") == "long"


def sample(positions: Sequence[int], count: int) -> Sequence[int]:
    """All of `positions` in the long form, else the first, the last and others between them,
    `count` in all and the same in every run."""
    if LONG or len(positions) <= count:
        return positions
    between = Random(count).sample(positions[1:-1], count - 2)
    return [positions[0], *sorted(between), positions[-1]]


def eventually(condition: Callable[[], object], timeout: float = 90) -> None:
    """Returns when `condition` holds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)
