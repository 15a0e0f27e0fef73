"""Scenario lanes and their probabilities per horizon (SPEC 4, Scenarios)."""

from collections.abc import Iterable
from typing import Any

from regional_assets.intelligence.numbers import round3, total
from regional_assets.intelligence.readers import HORIZONS
from regional_assets.intelligence.triggers import TriggerReading
from regional_assets.intelligence.world import World

# The score of each lane before any forecast is counted.
_BEFORE_FORECASTS = {"base": 0.4, "escalation": 0.1, "containment": 0.1, "fragmentation": 0.1}
_LANE_OF_TREND = {
    "rising": ("escalation", 0.5),
    "escalating": ("escalation", 0.5),
    "falling": ("containment", 0.5),
    "de-escalating": ("containment", 0.5),
    "stable": ("base", 0.3),
}
LANES = tuple(_BEFORE_FORECASTS)


def scenario_sets(
    world: World, region_id: str, triggers: Iterable[TriggerReading]
) -> list[dict[str, Any]]:
    """The snapshot's `scenario_sets`; `triggers` are the region's own."""
    readings = tuple(triggers)
    awake = [r.trigger for state in ("active", "watching") for r in readings if r.state == state]
    trigger_ids = {lane: [t.id for t in awake if t.lane == lane] for lane in LANES}
    return [
        {
            "horizon": horizon,
            "lanes": [
                {
                    "name": lane,
                    "probability": probability,
                    "trigger_ids": trigger_ids[lane],
                    "consequences": (),
                    "transmissions": (),
                }
                for lane, probability in probabilities.items()
            ],
        }
        for horizon, probabilities in _probabilities(world, region_id, readings).items()
    ]


def _probabilities(
    world: World, region_id: str, readings: tuple[TriggerReading, ...]
) -> dict[str, dict[str, float]]:
    """Horizon → lane → probability."""
    raw = {horizon: dict(_BEFORE_FORECASTS) for horizon in HORIZONS}
    for forecast in world.forecasts.get(region_id, ()):
        lane, weight = _LANE_OF_TREND.get(forecast.trend, ("base", 0.0))
        for horizon, probability in forecast.horizons.items():
            raw[horizon][lane] += weight * probability
            if forecast.mentions.breaking:
                raw[horizon]["fragmentation"] += 0.4 * probability
    for reading in readings:
        if reading.state == "active":
            for scores in raw.values():
                scores[reading.trigger.lane] += 0.1
    return {horizon: _shares(scores) for horizon, scores in raw.items()}


def _shares(scores: dict[str, float]) -> dict[str, float]:
    whole = total(scores.values())
    return {lane: round3(score / whole) for lane, score in scores.items()}
