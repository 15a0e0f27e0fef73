"""Trailing baselines: the recent mean of a metric (SPEC 7)."""

from collections.abc import Iterable
from typing import Literal

from regional_assets.intelligence.numbers import total
from regional_assets.intelligence.scoring import TriggerRules
from regional_assets.intelligence.timing import DAY_MS

Trailing = Literal["trailing_7d", "trailing_30d"]
# A metric's value and the time (ms) it was observed at.
Observation = tuple[int, float]

_WINDOWS: dict[Trailing, int] = {"trailing_7d": 7 * DAY_MS, "trailing_30d": 30 * DAY_MS}


def trailing_mean(
    observations: Iterable[Observation], baseline: Trailing, now: int, rules: TriggerRules
) -> float | None:
    """The mean of the observations in the window that ends before `now` (ms); None when there are
    too few in it, or when they span too little of it."""
    window = _WINDOWS[baseline]
    found = [(at, value) for at, value in observations if now - window <= at < now]
    times = [at for at, _ in found]
    if len(found) < rules.least_observations or max(times) - min(times) < rules.least_span * window:
        return None
    return total(value for _, value in found) / len(found)
