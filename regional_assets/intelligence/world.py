"""Everything one run knows, parsed and indexed once, shared by all regions and never changed."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from pkgutil import resolve_name
from typing import Any, TypeVar

import msgspec

from regional_assets.intelligence import gazetteer
from regional_assets.intelligence.catalogue import CATALOGUE, INPUTS, InputSpec
from regional_assets.intelligence.confidence import Confidence, confidence
from regional_assets.intelligence.inputs import InputState, StoredValue, read_input
from regional_assets.intelligence.mobility_readers import AirportAlert, Closure, Jamming
from regional_assets.intelligence.readers import Forecast, RiskScore, Signal, Transit
from regional_assets.intelligence.records import DECODERS
from regional_assets.intelligence.tally import Tally

T = TypeVar("T")


def _reader(spec: InputSpec) -> Callable[..., Any]:
    try:
        reader: Callable[..., Any] = resolve_name(f"{__package__}.{spec.reader}")
    except (ImportError, AttributeError) as error:
        raise ImportError(f"the input {spec.name} has no reader {spec.reader}: {error}") from error
    return reader


# Input name → its reader. It is here because definitions need the catalogue, but load no reader.
_READERS = {spec.name: _reader(spec) for spec in CATALOGUE}


class World(msgspec.Struct, frozen=True):
    """The inputs of one run in canonical form, those that belong to regions indexed by region id.

    `now` is ms since the epoch. An absent input is None where the computations tell absent from
    empty, else empty. `tallies` says by input name what became of the records of each
    input that is there.
    """

    now: int
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
        """Whether the input of that catalogue name is there."""
        return self.inputs[name].freshness != "missing"


def build_world(stored: Mapping[str, StoredValue], now: int) -> World:
    """The world at `now` (ms) from what the store holds under the catalogue's keys; never raises
    on what an input contains."""
    inputs: dict[str, InputState] = {}
    tallies: dict[str, Tally] = {}

    # Payloads are parsed one after the other, and each is released before the next: this bounds the
    # memory.
    def read(name: str, absent: Any, **context: int) -> Any:
        inputs[name], payload = read_input(INPUTS[name], stored, now, DECODERS.get(name))
        if payload is None:
            return absent
        tallies[name] = Tally()
        return _READERS[name](payload, tallies[name], **context)

    risk_scores = read("risk_scores", ())
    alerts = (*read("faa_delays", ()), *read("intl_delays", ()))
    return World(
        now=now,
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
        closures=_closures(read("notam_closures", ()), alerts, tallies),
        jamming=read("gps_jamming", {}),
        flights=read("military_flights", {}),
        # Last, because all inputs have been read only now.
        inputs={spec.name: inputs[spec.name] for spec in CATALOGUE},
        confidence=confidence((inputs[spec.name] for spec in CATALOGUE), now),
        tallies=tallies,
    )


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
    closures: Iterable[Closure], alerts: Iterable[AirportAlert], tallies: Mapping[str, Tally]
) -> dict[str, tuple[Closure, ...]]:
    """Closures by region: where an alert places the airport, the last one that does decides;
    else the prefix of its ICAO code."""
    placed = {alert.icao: alert.region for alert in alerts if alert.region}
    found = [(c, placed.get(c.icao) or gazetteer.icao_region(c.icao)) for c in closures]
    for closure, region in found:
        if region is None:
            tallies["notam_closures"].nowhere(closure.icao)
    by_region = _by_region(found, lambda pair: _listed(pair[1]))
    return {region: tuple(c for c, _ in pairs) for region, pairs in by_region.items()}
