"""Scenario lanes and their probabilities per horizon (SPEC 4, Scenarios)."""

from collections.abc import Iterable
from typing import get_args

from regional_assets.intelligence.numbers import round3, total
from regional_assets.intelligence.readers import HORIZONS
from regional_assets.intelligence.scoring import Horizon
from regional_assets.intelligence.scoring import Lane as LaneName
from regional_assets.intelligence.stored import Lane, ScenarioSet
from regional_assets.intelligence.triggers import TriggerReading
from regional_assets.intelligence.world import World

LANES: tuple[LaneName, ...] = get_args(LaneName)


def scenario_sets(
    world: World, region_id: str, triggers: Iterable[TriggerReading]
) -> tuple[ScenarioSet, ...]:
    """The snapshot's `scenario_sets`; `triggers` are the region's own."""
    readings = tuple(triggers)
    awake = [r.trigger for state in ("active", "watching") for r in readings if r.state == state]
    ids = {lane: tuple(t.id for t in awake if t.lane == lane) for lane in LANES}
    return tuple(
        ScenarioSet(
            horizon,
            # Nothing fills in consequences and transmissions of lanes yet.
            tuple(Lane(name, share, ids[name], (), ()) for name, share in shares.items()),
        )
        for horizon, shares in _probabilities(world, region_id, readings).items()
    )


def _probabilities(
    world: World, region_id: str, readings: tuple[TriggerReading, ...]
) -> dict[Horizon, dict[LaneName, float]]:
    """Horizon → lane → probability."""
    rules = world.model.scoring.scenarios
    raw = {horizon: {lane: rules.before[lane] for lane in LANES} for horizon in HORIZONS}
    for forecast in world.forecasts.get(region_id, ()):
        trend = rules.trends.get(forecast.trend)
        for horizon, probability in forecast.horizons.items():
            if trend:
                raw[horizon][trend.lane] += trend.weight * probability
            if forecast.mentions.breaking:
                raw[horizon]["fragmentation"] += rules.breaking * probability
    for reading in readings:
        if reading.state == "active":
            for scores in raw.values():
                scores[reading.trigger.lane] += rules.active_trigger
    return {horizon: _shares(scores) for horizon, scores in raw.items()}


def _shares(scores: dict[LaneName, float]) -> dict[LaneName, float]:
    whole = total(scores.values())
    return {lane: round3(score / whole) for lane, score in scores.items()}
