"""Mobility: airports, airspace, closures, flights (SPEC 4, Mobility)."""

from regional_assets.intelligence.mobility_readers import Jamming
from regional_assets.intelligence.numbers import clip
from regional_assets.intelligence.stored import Airport, Airspace, Mobility
from regional_assets.intelligence.world import World


def mobility(world: World, region_id: str) -> Mobility:
    """The snapshot's `mobility`."""
    rules, jamming = world.model.scoring.mobility, world.jamming.get(region_id)
    return Mobility(
        airspace=(_airspace(region_id, jamming),) if jamming else (),
        flight_corridors=(),
        airports=tuple(
            Airport(alert.icao, alert.name, "closed" if alert.closed else "disrupted", alert.reason)
            for alert in world.airport_alerts.get(region_id, ())
            if alert.rank >= rules.disrupted_rank
        ),
        reroute_intensity=clip(world.flights.get(region_id, 0) / rules.full_flights),
        notam_closures=tuple(
            f"{closure.icao}: {closure.reason}"
            for closure in world.closures.get(region_id, ())
            if closure.reason
        ),
    )


def _airspace(region_id: str, jamming: Jamming) -> Airspace:
    counts = ", ".join(f"{jamming.levels.get(k, 0)} {k}" for k in ("high", "medium", "low"))
    return Airspace(
        f"gpsjam:{region_id}",
        "restricted",
        f"GPS jamming ({counts} hexes): {', '.join(sorted(jamming.sub_regions))}",
    )
