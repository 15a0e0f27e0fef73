"""Everything one run knows, parsed and indexed once, shared by all regions and never changed."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, TypeVar

import msgspec

from regional_assets.intelligence import mobility_readers, readers
from regional_assets.intelligence.confidence import Confidence, confidence
from regional_assets.intelligence.inputs import InputState, StoredValue, read_input
from regional_assets.intelligence.last_words import Memory, recalled
from regional_assets.intelligence.mobility_readers import AirportAlert, Closure, Jamming
from regional_assets.intelligence.model import Model
from regional_assets.intelligence.readers import Forecast, RiskScore, Signal, Transit
from regional_assets.intelligence.records import DECODERS
from regional_assets.intelligence.tally import Tally

T = TypeVar("T")


# Input name → its reader. It is here because definitions need the catalogue, but load no reader.
_READERS: Mapping[str, Callable[..., Any]] = {
    "risk_scores": readers.risk_scores,
    "forecasts": readers.forecasts,
    "chokepoints": readers.chokepoints,
    "transit_summaries": readers.transit_summaries,
    "cross_source_signals": readers.cross_source_signals,
    "oref_alerts": readers.oref_alerts,
    "macro_signals": readers.macro_signals,
    "national_debt": readers.national_debt,
    "stress_index": readers.stress_index,
    "energy_mix": readers.energy_mix,
    "eu_gas_storage": readers.eu_gas_storage,
    "strategic_reserves": readers.strategic_reserves,
    "faa_delays": mobility_readers.airport_alerts,
    "intl_delays": mobility_readers.airport_alerts,
    "notam_closures": mobility_readers.notam_closures,
    "gps_jamming": mobility_readers.gps_jamming,
    "military_flights": mobility_readers.military_flights,
}


class World(msgspec.Struct, frozen=True):
    """The inputs of one run in canonical form, those that belong to regions indexed by region id,
    and the `model` they are read with.

    `now` is ms since the epoch. An absent input is None where the computations tell absent from
    empty, else empty. `remembers`: what is missing may have last words. `tallies` says by input
    name what became of the records of each input that is there.
    """

    model: Model
    now: int
    remembers: bool
    inputs: Mapping[str, InputState]
    confidence: Confidence
    tallies: Mapping[str, Tally]
    risk_scores: Mapping[str, tuple[RiskScore, ...]]
    key_risk_scores: Mapping[str, tuple[RiskScore, ...]]
    forecasts: Mapping[str, tuple[Forecast, ...]]
    signals: Mapping[str, tuple[Signal, ...]]
    chokepoints: Mapping[str, str]
    transits: Mapping[str, Transit]
    active_sirens: float
    macro_verdict: str | None
    debt_ratios: Mapping[str, list[float]]
    stress_score: float | None
    import_shares: Mapping[str, list[float | None]]
    gas_fill: float | None
    reserve_days: float | None
    airport_alerts: Mapping[str, tuple[AirportAlert, ...]]
    closures: Mapping[str, tuple[Closure, ...]]
    jamming: Mapping[str, Jamming]
    flights: Mapping[str, int]

    def present(self, name: str) -> bool:
        """Whether the input of that catalogue name is there, or its last words are."""
        return name in self.inputs and self.inputs[name].freshness != "missing"

    def momentary(self, name: str) -> bool:
        """Whether the input says what is so at this moment alone, so that it leaves no last
        words: a count of sirens without the times of their waves."""
        return name in self.tallies and self.tallies[name].undated


def build_world(
    model: Model,
    stored: Mapping[str, StoredValue],
    now: int,
    memory: Memory | None = None,
    *,
    beyond_hold: bool = False,
) -> World:
    """The world of the model at `now` (ms) from what the store holds under the catalogue's keys,
    and from the last words in `memory` of what is held; with `beyond_hold`, of all that is missing.
    Never raises on what an input contains."""
    inputs: dict[str, InputState] = {}
    tallies: dict[str, Tally] = {}

    # Payloads are parsed one after the other, and each is released before the next: this bounds the
    # memory.
    def read(name: str, absent: Any, **context: int) -> Any:
        if name not in model.input_of:
            return absent
        inputs[name], payload = read_input(model.input_of[name], stored, now, DECODERS.get(name))
        if payload is None and memory:
            inputs[name], payload = recalled(
                inputs[name], memory, now, DECODERS.get(name), beyond_hold=beyond_hold
            )
        if payload is None:
            return absent
        tallies[name] = Tally()
        return _READERS[name](payload, tallies[name], model, **context)

    risk_scores = read("risk_scores", ())
    alerts = (*read("faa_delays", ()), *read("intl_delays", ()))
    return World(
        model=model,
        now=now,
        remembers=memory is not None,
        risk_scores=_by_region(risk_scores, attrgetter("regions")),
        key_risk_scores=_by_region(risk_scores, attrgetter("key_regions")),
        forecasts=_by_region(read("forecasts", ()), attrgetter("regions")),
        signals=_by_region(read("cross_source_signals", ()), attrgetter("regions")),
        chokepoints=read("chokepoints", {}),
        transits=read("transit_summaries", {}),
        active_sirens=read("oref_alerts", 0, now=now),
        macro_verdict=read("macro_signals", None),
        debt_ratios=read("national_debt", {}),
        stress_score=read("stress_index", None),
        import_shares=read("energy_mix", {}),
        gas_fill=read("eu_gas_storage", None),
        reserve_days=read("strategic_reserves", None),
        airport_alerts=_by_region(alerts, lambda a: _listed(a.region)),
        closures=_closures(model, read("notam_closures", ()), alerts, tallies),
        jamming=read("gps_jamming", {}),
        flights=read("military_flights", {}),
        # Last, because all inputs have been read only now.
        inputs={spec.name: inputs[spec.name] for spec in model.inputs},
        confidence=confidence(
            (inputs[spec.name] for spec in model.inputs), now, model.scoring.confidence
        ),
        tallies=tallies,
    )


def worlds(
    model: Model, stored: Mapping[str, StoredValue], now: int, memory: Memory | None
) -> tuple[World, World | None]:
    """The world that is published, and that in which things are decided where it is another one:
    where an input that is not held any more has left last words. See `build_world`."""
    published = build_world(model, stored, now, memory)
    silent = [s for s in published.inputs.values() if s.freshness == "missing"]
    if not memory or not any(s.spec.key in memory.words for s in silent):
        return published, None
    return published, build_world(model, stored, now, memory, beyond_hold=True)


def _listed(region: str | None) -> tuple[str, ...]:
    return (region,) if region else ()


def _by_region(
    items: Iterable[T], regions_of: Callable[[T], tuple[str, ...]]
) -> dict[str, tuple[T, ...]]:
    found: dict[str, list[T]] = defaultdict(list)
    for item in items:
        for region in regions_of(item):
            found[region].append(item)
    return {region: tuple(members) for region, members in found.items()}


def _closures(
    model: Model,
    closures: Iterable[Closure],
    alerts: Iterable[AirportAlert],
    tallies: Mapping[str, Tally],
) -> dict[str, tuple[Closure, ...]]:
    """Closures by region: where an alert places the airport, the last one that does decides;
    else the prefix of its ICAO code."""
    placed = {alert.icao: alert.region for alert in alerts if alert.region}
    found = [(c, placed.get(c.icao) or model.gazetteer.icao_region(c.icao)) for c in closures]
    for closure, region in found:
        if region is None:
            tallies["notam_closures"].nowhere(closure.icao)
    by_region = _by_region(found, lambda pair: _listed(pair[1]))
    return {region: tuple(c for c, _ in pairs) for region, pairs in by_region.items()}
