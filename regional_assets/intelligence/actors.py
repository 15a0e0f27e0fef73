"""The actors that a region's forecasts mention, and their leverage (SPEC 4, Actors)."""

import msgspec

from regional_assets.intelligence.numbers import clip, round3
from regional_assets.intelligence.scoring import Actors
from regional_assets.intelligence.stored import Actor, Role
from regional_assets.intelligence.world import World


class _Tally(msgspec.Struct):
    count: int = 0
    domains: set[str] = msgspec.field(default_factory=set)
    evidence_ids: list[str] = msgspec.field(default_factory=list)


def actors(world: World, region_id: str) -> tuple[Actor, ...]:
    """Those with most leverage, ties in order of first mention."""
    rules = world.model.scoring.actors
    tallies: dict[str, _Tally] = {}
    for forecast in world.forecasts.get(region_id, ()):
        for name in forecast.mentions.actors:
            entry = tallies.setdefault(name, _Tally())
            entry.count += 1
            entry.domains |= forecast.mentions.domains
            if len(entry.evidence_ids) < rules.most_evidence:
                entry.evidence_ids.append(forecast.evidence_id)
    mentions = sum(entry.count for entry in tallies.values())
    full = max(rules.least_mentions, rules.share * mentions)
    found = [
        Actor(
            actor_id=name.lower().replace(" ", "-"),
            name=name,
            role=_role(name, entry.domains, rules),
            leverage_domains=tuple(sorted(entry.domains)),
            leverage_score=round3(clip(entry.count / full)),
            delta=0,
            evidence_ids=tuple(entry.evidence_ids),
        )
        for name, entry in tallies.items()
    ]
    return tuple(sorted(found, key=lambda actor: -actor.leverage_score)[: rules.most])


def _role(name: str, domains: set[str], rules: Actors) -> Role:
    if name in rules.aggressors and "military" in domains:
        return "aggressor"
    if name in rules.stabilizers:
        return "stabilizer"
    return "broker" if "diplomatic" in domains else "swing"
