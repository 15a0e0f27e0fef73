"""The actors that a region's forecasts mention, and their leverage (SPEC 4, Actors)."""

import msgspec

from regional_assets.intelligence.numbers import clip, round3
from regional_assets.intelligence.world import World

_AGGRESSORS = frozenset(("Iran", "IRGC", "Russia", "Houthis", "Hamas", "Hezbollah", "China"))
_STABILIZERS = frozenset(("United States", "NATO", "Saudi Arabia"))
_MAX_ACTORS = 10
_MAX_EVIDENCE = 5


class Actor(msgspec.Struct, frozen=True, gc=False):
    """An actor of a region; `leverage_score` in [0, 1] to three decimals, `delta` its change since
    the previous snapshot, 0 until it is compared."""

    actor_id: str
    name: str
    role: str
    leverage_domains: tuple[str, ...]
    leverage_score: float
    delta: float = 0
    evidence_ids: tuple[str, ...] = ()


class _Tally(msgspec.Struct):
    count: int = 0
    domains: set[str] = msgspec.field(default_factory=set)
    evidence_ids: list[str] = msgspec.field(default_factory=list)


def actors(world: World, region_id: str) -> tuple[Actor, ...]:
    """The ten with most leverage, ties in order of first mention."""
    tallies: dict[str, _Tally] = {}
    for forecast in world.forecasts.get(region_id, ()):
        for name in forecast.mentions.actors:
            entry = tallies.setdefault(name, _Tally())
            entry.count += 1
            entry.domains |= forecast.mentions.domains
            if len(entry.evidence_ids) < _MAX_EVIDENCE:
                entry.evidence_ids.append(f"forecast:{forecast.id}")
    total = sum(entry.count for entry in tallies.values())
    found = [
        Actor(
            actor_id=name.lower().replace(" ", "-"),
            name=name,
            role=_role(name, entry.domains),
            leverage_domains=tuple(sorted(entry.domains)),
            leverage_score=round3(clip(entry.count / max(5, total / 2))),
            evidence_ids=tuple(entry.evidence_ids),
        )
        for name, entry in tallies.items()
    ]
    return tuple(sorted(found, key=lambda actor: -actor.leverage_score)[:_MAX_ACTORS])


def _role(name: str, domains: set[str]) -> str:
    if name in _AGGRESSORS and "military" in domains:
        return "aggressor"
    if name in _STABILIZERS:
        return "stabilizer"
    return "broker" if "diplomatic" in domains else "swing"
