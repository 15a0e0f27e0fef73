"""What may follow: scenario lanes per horizon (SPEC 4, Scenarios)."""

from collections.abc import Iterable
from typing import Any

from regional_assets.intelligence.balance import RISING
from regional_assets.intelligence.numbers import round3, total
from regional_assets.intelligence.readers import HORIZONS
from regional_assets.intelligence.triggers import TriggerReading
from regional_assets.intelligence.world import World

LANES = ("base", "escalation", "containment", "fragmentation")

_FALLING = ("falling", "de-escalating")
_BREAKING = ("fragment", "collapse", "breakdown")


def scenario_sets(
    world: World, region_id: str, triggers: Iterable[TriggerReading]
) -> list[dict[str, Any]]:
    """The snapshot's `scenario_sets`; `triggers` are the region's own."""
    readings = tuple(triggers)
    trigger_ids = {
        lane: [
            r.trigger.id
            for state in ("active", "watching")
            for r in readings
            if r.state == state and r.trigger.lane == lane
        ]
        for lane in LANES
    }
    return [
        {
            "horizon": horizon,
            "lanes": [
                {
                    "name": lane,
                    "probability": probability,
                    "trigger_ids": list(trigger_ids[lane]),
                    "consequences": [],
                    "transmissions": [],
                }
                for lane, probability in _probabilities(world, region_id, horizon, readings).items()
            ],
        }
        for horizon in HORIZONS
    ]


def _probabilities(
    world: World, region_id: str, horizon: str, readings: tuple[TriggerReading, ...]
) -> dict[str, float]:
    raw = {lane: 0.4 if lane == "base" else 0.1 for lane in LANES}
    for forecast in world.forecasts.get(region_id, ()):
        probability = forecast.horizons.get(horizon)
        if probability is None:
            continue
        if forecast.trend in RISING:
            raw["escalation"] += 0.5 * probability
        elif forecast.trend in _FALLING:
            raw["containment"] += 0.5 * probability
        elif forecast.trend == "stable":
            raw["base"] += 0.3 * probability
        if any(word in forecast.case_text for word in _BREAKING):
            raw["fragmentation"] += 0.4 * probability
    for reading in readings:
        if reading.state == "active":
            raw[reading.trigger.lane] += 0.1
    whole = total(raw.values())
    return {lane: round3(score / whole) for lane, score in raw.items()}
