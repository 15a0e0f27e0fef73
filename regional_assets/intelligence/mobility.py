"""Mobility: airports, airspace, closures, flights (SPEC 4, Mobility)."""

from typing import Any

from regional_assets.intelligence.mobility_readers import Jamming
from regional_assets.intelligence.numbers import clip
from regional_assets.intelligence.world import World


def mobility(world: World, region_id: str) -> dict[str, Any]:
    """The snapshot's `mobility` block."""
    rules, jamming = world.model.scoring.mobility, world.jamming.get(region_id)
    return {
        "airspace": [_airspace(region_id, jamming)] if jamming else [],
        "flight_corridors": [],
        "airports": [
            {
                "icao": alert.icao,
                "name": alert.name,
                "status": "closed" if alert.closed else "disrupted",
                "disruption_reason": alert.reason,
            }
            for alert in world.airport_alerts.get(region_id, ())
            if alert.rank >= rules.disrupted_rank
        ],
        "reroute_intensity": clip(world.flights.get(region_id, 0) / rules.full_flights),
        "notam_closures": [
            f"{closure.icao}: {closure.reason}"
            for closure in world.closures.get(region_id, ())
            if closure.reason
        ],
    }


def _airspace(region_id: str, jamming: Jamming) -> dict[str, str]:
    counts = ", ".join(f"{jamming.levels.get(k, 0)} {k}" for k in ("high", "medium", "low"))
    return {
        "airspace_id": f"gpsjam:{region_id}",
        "status": "restricted",
        "reason": f"GPS jamming ({counts} hexes): {', '.join(sorted(jamming.sub_regions))}",
    }
