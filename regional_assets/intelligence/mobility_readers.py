"""The readers of the mobility feeds: airports, NOTAMs, GPS jamming, military flights (SPEC 2 and
4, Mobility). See `readers` for the rules they keep."""

from collections import Counter, defaultdict
from collections.abc import Mapping

import msgspec

from regional_assets.intelligence.model import Model
from regional_assets.intelligence.readers import Payload
from regional_assets.intelligence.records import AIRPORTS, FLIGHTS, HEXES, AirportRecord
from regional_assets.intelligence.tally import Tally
from regional_assets.intelligence.text import clean, text_of

_DELAY_RANKS = {"NORMAL": 0, "MINOR": 1, "MODERATE": 2, "MAJOR": 3, "SEVERE": 4}


class AirportAlert(msgspec.Struct, frozen=True, gc=False):
    """A disrupted airport: `rank` 0 (normal) to 4 (severe)."""

    icao: str
    name: str
    region: str | None
    rank: int
    closed: bool
    reason: str


def airport_alerts(payload: Payload, tally: Tally, model: Model) -> tuple[AirportAlert, ...]:
    found = []
    for row in AIRPORTS.of(payload, tally):
        severity = (row.severity or "").upper().removeprefix("FLIGHT_DELAY_SEVERITY_")
        tally.incomplete += severity not in _DELAY_RANKS
        rank = _DELAY_RANKS.get(severity, 0)
        icao, name = clean(row.icao), clean(row.name) or clean(row.iata)
        region = _airport_region(model, row)
        if region is None:
            tally.nowhere(icao or name, row.country or row.region)
        found.append(
            AirportAlert(
                icao=icao,
                name=name,
                region=region,
                rank=rank,
                closed=_is_closed(row, rank),
                reason=clean(row.reason),
            )
        )
    return tuple(found)


def _is_closed(row: AirportRecord, rank: int) -> bool:
    if not row.delay_type:
        return rank == 4
    reason = text_of(row.reason).strip().lower()
    return row.delay_type.upper().endswith("_CLOSURE") or reason == "airport closure"


def _airport_region(model: Model, row: AirportRecord) -> str | None:
    known = model.gazetteer.country_region(text_of(row.country))
    return known or model.geography.region_of_airport_text(text_of(row.region).upper())


class Closure(msgspec.Struct, frozen=True, gc=False):
    """A NOTAM that closes or restricts an airport; `reason` may be empty."""

    icao: str
    reason: str


_CLOSURE_REASON_LIMIT = 200


def notam_closures(payload: Payload, tally: Tally, model: Model) -> tuple[Closure, ...]:
    """Closed airports, then restricted ones, each once."""
    reasons = payload.get("reasons")
    if not isinstance(reasons, dict):
        reasons = {}
    icaos: dict[str, str] = {}
    for name in ("closedIcaos", "restrictedIcaos"):
        listed = payload.get(name)
        for icao in listed if isinstance(listed, list) else ():
            tally.records += 1
            if isinstance(icao, str) and clean(icao):
                icaos.setdefault(clean(icao), clean(reasons.get(icao), _CLOSURE_REASON_LIMIT))
            else:
                tally.skipped += 1
        tally.skipped += not isinstance(listed, list) and listed not in (None, {})
    # One without a reason is not shown.
    tally.incomplete += sum(not reason for reason in icaos.values())
    return tuple(Closure(icao, reason) for icao, reason in icaos.items())


class Jamming(msgspec.Struct, frozen=True, gc=False):
    """GPS jamming in one region: hexes per level (high, medium, low) and the sub-regions named."""

    levels: Mapping[str, int]
    sub_regions: frozenset[str]


class _JammingTally(msgspec.Struct):
    levels: Counter[str] = msgspec.field(default_factory=Counter)
    sub_regions: set[str] = msgspec.field(default_factory=set)


def gps_jamming(payload: Payload, tally: Tally, model: Model) -> dict[str, Jamming]:
    """Region id → the jamming in it."""
    tallies: defaultdict[str, _JammingTally] = defaultdict(_JammingTally)
    geography = model.geography
    for row in HEXES.of(payload, tally):
        label = (row.region or "").strip().lower()
        region = geography.region_of_jamming_area(label)
        level = row.level
        tally.incomplete += level not in ("high", "medium", "low")
        if region is None:
            if row.lat is None or row.lon is None:
                tally.skipped += 1
                continue
            region = geography.region_of_position(row.lat, row.lon)
            label = "other"
            if region is None:
                tally.nowhere_at(row.lat, row.lon)
                continue
        tallies[region].levels[level if level in ("high", "medium") else "low"] += 1
        tallies[region].sub_regions.add(label)
    return {
        region: Jamming(dict(tally.levels), frozenset(tally.sub_regions))
        for region, tally in tallies.items()
    }


def military_flights(payload: Payload, tally: Tally, model: Model) -> Counter[str]:
    """Region id → flights in the air there."""
    placed, region_of = [], model.geography.region_of_position
    for row in FLIGHTS.of(payload, tally):
        if row.on_ground:
            continue
        lat, lon = row.lat, row.lon
        if lat is None or lon is None:
            tally.skipped += 1
        elif region := region_of(lat, lon):
            placed.append(region)
        else:
            tally.nowhere_at(lat, lon)
    return Counter(placed)
