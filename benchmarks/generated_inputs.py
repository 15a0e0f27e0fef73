"""Invented inputs of any size, in the shapes that live writers write; the same seed gives the
same."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from regional_assets.intelligence.model import BUILT_IN

NOW = 1_790_000_000_000
_MINUTE = 60_000
_DAY = 24 * 60 * _MINUTE


@dataclass(frozen=True, slots=True)
class Size:
    """How many records each of the larger inputs has; `case_bytes` is the length of a case file."""

    forecasts: int
    case_bytes: int
    signals: int
    countries: int
    airports: int
    hexes: int
    flights: int

    def times(self, factor: float) -> "Size":
        """The same mixture with `factor` times as many records (countries stay: there are no
        more)."""
        return replace(
            self,
            forecasts=round(self.forecasts * factor),
            signals=round(self.signals * factor),
            airports=round(self.airports * factor),
            hexes=round(self.hexes * factor),
            flights=round(self.flights * factor),
        )


TYPICAL = Size(60, 150, 200, 200, 12, 40, 400)
LARGE = Size(2_000, 4_850, 20_000, 200, 60, 5_000, 10_000)

_PLACES = (
    "Iran|Ukraine|Israel|Taiwan|DR Congo (Zaire)|Myanmar (Burma)|Middle East|Western Pacific|"
    "Northern Europe|Black Sea|Korean Peninsula|South China Sea|Eastern Mediterranean|"
    "Israel/Gaza|Red Sea|Strait of Hormuz|Suez Canal|Bab el-Mandeb|Persian Gulf|Baltic Sea|"
    "Europe|Asia-Pacific|Americas|Latin America|Africa|Oceania|Pakistan|Mexico|Brazil|Nigeria"
).split("|")
_THEATERS = (
    "Middle East|Red Sea|Persian Gulf|Levant|Eastern Europe|Western Europe|Arctic|East Asia|"
    "Southeast-Asia|South Asia|Sub-Saharan Africa|Latin America|North America|Global|"
    "Global Markets|Indo-Pacific|Turkey-Caucasus|Other|UA|IR|Egypt|Kenya|Germany|Mexico|Brazil|"
    "near the border of two provinces"
).split("|")
_SIGNAL_TYPES = (
    "COMPOSITE_ESCALATION|THERMAL_SPIKE|GPS_JAMMING|MILITARY_FLIGHT_SURGE|UNREST_SURGE|VIX_SPIKE|"
    "COMMODITY_SHOCK|CYBER_ESCALATION|SHIPPING_DISRUPTION|EARTHQUAKE_SIGNIFICANT|RISK_SCORE_SPIKE"
).split("|")
_HEX_LABELS = (
    "iran-iraq|levant|israel-sinai|ukraine-russia|russia-north|turkey-caucasus|yemen-horn|"
    "afghanistan-pakistan|sudan-sahel|northern-europe|southeast-asia|north-america|other"
).split("|")
# What most sentences are made of; several hold "us", "oil" or "gas" inside a longer word.
_WORDS = (
    "the of and to in a that for on with as by at from is are was were which this these will would "
    "could may have has been not over after before under into between because against during "
    "officials reports sources analysts observers residents authorities ministers markets prices "
    "industry business thousands several further recent local regional national public border "
    "province capital coast harbour airport supply demand output currency inflation budget grain "
    "turmoil spoils gasp focus status discuss museum campus virus bonus house brings trust "
    "pressure talks vote protest court election army police units drills exercises patrols raids "
    "said reported expects denies confirms warns adds notes remains continues increases declines "
    "steady likely unlikely possible possibly weeks months days yesterday scenario outlook baseline"
).split()
# What the readers of forecasts look for; a case file speaks of few of them.
_SUBJECTS = (
    "Iran|Tehran|the IRGC|Russia|Moscow|China|Beijing|United States|Washington|Israel|NATO|"
    "Hezbollah|Houthis|sanctions|trade|naval|missile|strikes|oil|pipeline|diplomatic|alliance|"
    "summit|strait|shipping|coalition|collapse|fragmented"
).split("|")


def generated_inputs(size: Size, seed: int = 1) -> dict[str, bytes]:
    """Redis key → value for every input and companion, all fresh at `NOW`."""
    chance = random.Random(seed)
    payloads = _payloads(size, chance)
    values = {}
    for spec in BUILT_IN.inputs:
        at = NOW - chance.randrange(1, spec.max_age_minutes) * _MINUTE
        payload = payloads[spec.name]
        if spec.companion:
            values[spec.companion] = _json({"fetchedAt": at, "recordCount": len(payload)})
        if spec.name in ("chokepoints", "macro_signals", "stress_index", "strategic_reserves"):
            values[spec.key] = _json({**payload, "updatedAt": at})
        elif spec.name == "energy_mix":
            values[spec.key] = _json(payload)
        else:
            values[spec.key] = _json({"_seed": {"fetchedAt": at, "state": "OK"}, "data": payload})
    return values


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _payloads(size: Size, chance: random.Random) -> dict[str, dict[str, Any]]:
    countries = _countries(size.countries)
    alerts = [_airport(number, chance) for number in range(size.airports)]
    return {
        "risk_scores": {
            "ciiScores": [
                {
                    "region": country,
                    "combinedScore": chance.randrange(100),
                    "trend": f"TREND_DIRECTION_{chance.choice(('RISING', 'FALLING', 'STABLE'))}",
                    "computedAt": _recent(chance),
                }
                for country in countries
            ]
        },
        "forecasts": {
            "predictions": [_forecast(n, size.case_bytes, chance) for n in range(size.forecasts)]
        },
        "chokepoints": {
            "chokepoints": [
                {"id": c.chokepoint, "warRiskTier": f"WAR_RISK_TIER_{chance.choice(_TIERS)}"}
                for c in BUILT_IN.corridors
                if c.chokepoint
            ]
        },
        "transit_summaries": {
            "summaries": {
                c.chokepoint: {
                    "todayTotal": chance.randrange(100),
                    "wowChangePct": round(chance.uniform(-60, 60), 1),
                    "dataAvailable": True,
                }
                for c in BUILT_IN.corridors
                if c.chokepoint
            }
        },
        "cross_source_signals": {"signals": [_signal(n, chance) for n in range(size.signals)]},
        "oref_alerts": {"history": [], "historyCount24h": 3, "activeAlertCount": 12},
        "macro_signals": {"verdict": "CASH"},
        "national_debt": {
            "entries": [
                {"iso3": country, "debtToGdp": round(chance.uniform(20, 200), 1)}
                for country in countries
            ]
        },
        "stress_index": {"compositeScore": 61.5, "label": "Severe"},
        "energy_mix": {
            country: {"year": 2025, "importShare": round(chance.uniform(-40, 100), 1)}
            for country in countries
        },
        "eu_gas_storage": {"fillPct": 62.5, "history": []},
        "strategic_reserves": {"daysOfCover": 71},
        "faa_delays": {"alerts": alerts[::3]},
        "intl_delays": {"alerts": alerts},
        "notam_closures": {
            "closedIcaos": ["OIIE", "OLBA"],
            "restrictedIcaos": ["OIKB"],
            "reasons": {"OIIE": "AD CLSD TO ALL TFC", "OLBA": "RWY CLOSED", "OIKB": ""},
        },
        "gps_jamming": {
            "hexes": [
                {
                    "h3": f"84{n:06x}fffffff",
                    "lat": round(chance.uniform(-60, 75), 3),
                    "lon": round(chance.uniform(-180, 180), 3),
                    "level": chance.choice(("high", "medium")),
                    "region": chance.choice(_HEX_LABELS),
                }
                for n in range(size.hexes)
            ]
        },
        "military_flights": {
            "flights": [
                {
                    "id": f"adsb-{n:06x}",
                    "lat": round(chance.uniform(-60, 75), 3),
                    "lon": round(chance.uniform(-180, 180), 3),
                    "onGround": chance.random() < 0.05,
                }
                for n in range(size.flights)
            ]
        },
    }


_TIERS = ("NORMAL", "ELEVATED", "HIGH", "CRITICAL", "WAR_ZONE")


def _countries(count: int) -> list[str]:
    known = sorted(country for region in BUILT_IN.regions for country in region.countries)
    return known[:count]


def _recent(chance: random.Random) -> int:
    return NOW - chance.randrange(_DAY)


def _airport(number: int, chance: random.Random) -> dict[str, Any]:
    severity = chance.choice(("MINOR", "MODERATE", "MAJOR", "SEVERE"))
    return {
        "iata": f"{number:03d}",
        "icao": f"Q{number:03d}",
        "name": f"Airport {number}",
        "country": chance.choice(("USA", "UAE", "India", "Brazil", "Turkey", "South Africa")),
        "region": f"AIRPORT_REGION_{chance.choice(('AMERICAS', 'APAC', 'EUROPE', 'MENA'))}",
        "delayType": f"FLIGHT_DELAY_TYPE_{'CLOSURE' if severity == 'SEVERE' else 'GENERAL'}",
        "severity": f"FLIGHT_DELAY_SEVERITY_{severity}",
        "reason": f"{chance.randrange(20, 100)}% flights cancelled",
    }


def _signal(number: int, chance: random.Random) -> dict[str, Any]:
    return {
        "id": f"sig:{number}",
        "type": f"CROSS_SOURCE_SIGNAL_TYPE_{chance.choice(_SIGNAL_TYPES)}",
        "theater": chance.choice(_THEATERS),
        "summary": _sentence(chance, (), 4),
        "severity": f"CROSS_SOURCE_SIGNAL_SEVERITY_{chance.choice(_SEVERITIES)}",
        "detectedAt": _recent(chance),
    }


_SEVERITIES = ("LOW", "LOW", "MEDIUM", "MEDIUM", "HIGH", "CRITICAL")


def _forecast(number: int, case_bytes: int, chance: random.Random) -> dict[str, Any]:
    domain = chance.choice(("conflict", "military", "political", "market", "supply_chain", "cyber"))
    probability = round(chance.random(), 3)
    sentences = list(_sentences(case_bytes, chance))
    third = len(sentences) // 3
    return {
        "id": f"fc-{domain}-{number:08x}",
        "domain": domain,
        "region": chance.choice(_PLACES),
        "title": _sentence(chance, (), 6),
        "probability": probability,
        "confidence": round(chance.random(), 3),
        "timeHorizon": chance.choice(("7d", "30d")),
        "trend": chance.choice(("rising", "falling", "stable")),
        "projections": {"h24": round(probability * 0.7, 3), "d7": probability, "d30": probability},
        "caseFile": {
            "supportingEvidence": [
                {"type": "news", "summary": text, "weight": 0.4} for text in sentences[:third]
            ],
            "actorLenses": sentences[third : 2 * third],
            "baseCase": " ".join(sentences[2 * third :]),
            "worldState": None,
            "branches": [],
        },
        "signals": [],
        "updatedAt": _recent(chance),
    }


# Bytes of JSON round a sentence, on average.
_AROUND = 15


def _sentences(size: int, chance: random.Random) -> Iterator[str]:
    """Sentences of about `size` characters in all, about a few subjects."""
    subjects = chance.sample(_SUBJECTS, chance.randrange(1, 7))
    while size > 0:
        sentence = _sentence(chance, subjects)
        size -= len(sentence) + _AROUND
        yield sentence


def _sentence(chance: random.Random, subjects: Sequence[str], length: int = 12) -> str:
    words = chance.choices(_WORDS, k=chance.randrange(length - 3, length + 4))
    if subjects and chance.random() < 0.5:
        words[chance.randrange(len(words))] = chance.choice(subjects)
    if chance.random() < 0.02:
        words.append("— d’accord")
    words[0] = words[0].title()
    return " ".join(words) + "."
