"""Who pushes: the actors a region's forecasts speak of (SPEC 4, Actors)."""

import re
from dataclasses import dataclass, field

from regional_assets.intelligence.numbers import clip, round3
from regional_assets.intelligence.readers import Forecast
from regional_assets.intelligence.world import World

# In the order in which they are looked for, which decides ties.
_ALIASES = {
    "iran": "Iran",
    "irgc": "IRGC",
    "tehran": "Iran",
    "russia": "Russia",
    "kremlin": "Russia",
    "moscow": "Russia",
    "china": "China",
    "prc": "China",
    "beijing": "China",
    "united states": "United States",
    "usa": "United States",
    "us": "United States",
    "washington": "United States",
    "israel": "Israel",
    "idf": "Israel",
    "saudi arabia": "Saudi Arabia",
    "riyadh": "Saudi Arabia",
    "nato": "NATO",
    "hezbollah": "Hezbollah",
    "hamas": "Hamas",
    "houthis": "Houthis",
    "houthi": "Houthis",
    "ansarallah": "Houthis",
}
_ALIAS = re.compile(rf"\b(?:{'|'.join(_ALIASES)})\b")

_DOMAINS = {
    "economic": ("sanction", "trade"),
    "military": ("naval", "missile", "strike", "military", "fleet"),
    "energy": ("oil", "gas", "pipeline", "energy", "opec"),
    "diplomatic": ("diplomat", "alliance", "treaty", "summit"),
    "maritime": ("strait", "chokepoint", "maritime", "shipping", "naval"),
}
_AGGRESSORS = frozenset(("Iran", "IRGC", "Russia", "Houthis", "Hamas", "Hezbollah", "China"))
_STABILIZERS = frozenset(("United States", "NATO", "Saudi Arabia"))
_MAX_ACTORS = 10
_MAX_EVIDENCE = 5


@dataclass(frozen=True, slots=True)
class Actor:
    """An actor of a region; `leverage_score` in [0, 1] to three decimals."""

    actor_id: str
    name: str
    role: str
    leverage_domains: tuple[str, ...]
    leverage_score: float
    evidence_ids: tuple[str, ...]


@dataclass(slots=True)
class _Mentions:
    count: int = 0
    domains: set[str] = field(default_factory=set)
    evidence_ids: list[str] = field(default_factory=list)


def actors(world: World, region_id: str) -> tuple[Actor, ...]:
    """The ten with most leverage, ties in order of first mention."""
    mentions: dict[str, _Mentions] = {}
    for forecast in world.forecasts.get(region_id, ()):
        names, domains = _mentioned(forecast)
        for name in names:
            entry = mentions.setdefault(name, _Mentions())
            entry.count += 1
            entry.domains |= domains
            if len(entry.evidence_ids) < _MAX_EVIDENCE:
                entry.evidence_ids.append(f"forecast:{forecast.id}")
    total = sum(entry.count for entry in mentions.values())
    found = [
        Actor(
            actor_id=name.lower().replace(" ", "-"),
            name=name,
            role=_role(name, entry.domains),
            leverage_domains=tuple(sorted(entry.domains)),
            leverage_score=round3(clip(entry.count / max(5, total / 2))),
            evidence_ids=tuple(entry.evidence_ids),
        )
        for name, entry in mentions.items()
    ]
    return tuple(sorted(found, key=lambda actor: -actor.leverage_score)[:_MAX_ACTORS])


def _mentioned(forecast: Forecast) -> tuple[list[str], frozenset[str]]:
    """The actors in a forecast's text, each once, and the domains of the text."""
    text = forecast.actor_text
    aliases = set(_ALIAS.findall(text))
    if not aliases:
        return [], frozenset()
    names = dict.fromkeys(name for alias, name in _ALIASES.items() if alias in aliases)
    domains = frozenset(
        domain for domain, words in _DOMAINS.items() if any(word in text for word in words)
    )
    return list(names), domains


def _role(name: str, domains: set[str]) -> str:
    if name in _AGGRESSORS and "military" in domains:
        return "aggressor"
    if name in _STABILIZERS:
        return "stabilizer"
    return "broker" if "diplomatic" in domains else "swing"
