"""The catalogue of inputs: each feed's key, age, words and reader (SPEC 2).

To add an input, add its entry here, its reader, and the field of `World` that it fills. The code
that computes asks for an input by its name and never spells a Redis key.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec


class InputSpec(msgspec.Struct, frozen=True):
    """One catalogued input: `max_age_minutes` is when it counts as stale, `cadence` in words how
    often its writer writes, `content` in words what is in it, `reader` the function that reads it
    (`module:name` in this package), `axes` the balance axes it feeds, `also` what else of a
    snapshot, `companion` the key of the record its writer keeps beside it, `placed` whether its
    records belong to regions."""

    name: str
    key: str
    max_age_minutes: int
    cadence: str
    content: str
    reader: str
    axes: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    companion: str | None = None
    placed: bool = False


# fmt: off
CATALOGUE: tuple[InputSpec, ...] = (
    InputSpec("risk_scores", "risk:scores:sebuf:stale:v8", 30, "about every 16 min",
        "The instability index of 31 countries, 0 to 100 each.",
        "readers:risk_scores", axes=("domestic_fragility",), also=("triggers", "evidence"),
        companion="seed-meta:intelligence:risk-scores", placed=True),
    InputSpec("forecasts", "forecast:predictions:v2", 180, "hourly",
        "10 to 15 predictions for the next 7 or 30 days, with probability and confidence.",
        "readers:forecasts", axes=("coercive_pressure", "alliance_cohesion"),
        also=("scenarios", "actors", "evidence"), placed=True),
    InputSpec("chokepoints", "supply_chain:chokepoints:v4", 30,
        "when asked for, at least every 30 min",
        "The state of 13 sea passages: disruption, war risk, warnings, flow.",
        "readers:chokepoints", axes=("maritime_access",), also=("triggers", "evidence")),
    InputSpec("transit_summaries", "supply_chain:transit-summaries:v1", 30, "every 10 min",
        "Ships through the same 13 passages, and how that differs from the weeks before.",
        "readers:transit_summaries", axes=("maritime_access",), also=("triggers",),
        companion="seed-meta:supply_chain:transit-summaries"),
    InputSpec("cross_source_signals", "intelligence:cross-source-signals:v1", 45, "every 15 min",
        "Up to 30 signals that stand out in one or several sources, with theater and severity.",
        "readers:cross_source_signals", axes=("coercive_pressure",), also=("evidence",),
        companion="seed-meta:intelligence:cross-source-signals", placed=True),
    InputSpec("oref_alerts", "relay:oref:history:v1", 10080, "when alerts change",
        "Siren alerts in Israel over seven days. Quiet days leave it as it is.",
        "readers:oref_alerts", also=("triggers",), companion="seed-meta:relay:oref:history"),
    InputSpec("macro_signals", "economic:macro-signals:v1", 60, "every 15 min",
        "A verdict on markets (BUY or CASH) from up to seven signals, the same for every region.",
        "readers:macro_signals", axes=("capital_stress",)),
    InputSpec("national_debt", "economic:national-debt:v1", 86400, "every 30 days",
        "Debt to GDP of about 190 countries (IMF).",
        "readers:national_debt", axes=("capital_stress",),
        companion="seed-meta:economic:national-debt", placed=True),
    InputSpec("stress_index", "economic:stress-index:v1", 120, "hourly",
        "Financial stress, 0 to 100, from six series of the US Federal Reserve.",
        "readers:stress_index", axes=("capital_stress",)),
    InputSpec("energy_mix", "energy:mix:v1:_all", 50400, "about every 28 days",
        "Electricity by source and imports of about 200 countries (Our World in Data).",
        "readers:energy_mix", axes=("energy_vulnerability",),
        companion="seed-meta:economic:owid-energy-mix", placed=True),
    InputSpec("eu_gas_storage", "economic:eu-gas-storage:v1", 2880, "daily",
        "How full the European Union's gas storage is, in percent.",
        "readers:eu_gas_storage", axes=("energy_vulnerability",),
        companion="seed-meta:economic:eu-gas-storage"),
    InputSpec("strategic_reserves", "economic:spr:v1", 10080, "every 15 min (new figures weekly)",
        "The US Strategic Petroleum Reserve, week by week.",
        "readers:strategic_reserves", axes=("energy_vulnerability",)),
    InputSpec("faa_delays", "aviation:delays:faa:v1", 60, "about every 30 min",
        "Delays and closures of US airports (FAA). Often empty, and rightly so.",
        "mobility_readers:airport_alerts", also=("mobility",),
        companion="seed-meta:aviation:faa", placed=True),
    InputSpec("intl_delays", "aviation:delays:intl:v3", 90, "every 55 to 85 min",
        "Airports outside the US that are disrupted now.",
        "mobility_readers:airport_alerts", also=("mobility",),
        companion="seed-meta:aviation:intl", placed=True),
    InputSpec("notam_closures", "aviation:notam:closures:v2", 120, "about every 30 min",
        "Airports closed or restricted by notice to airmen.",
        "mobility_readers:notam_closures", also=("mobility",),
        companion="seed-meta:aviation:notam", placed=True),
    InputSpec("gps_jamming", "intelligence:gpsjam:v2", 1440, "every 6 hours (new figures daily)",
        "Where aircraft lost GPS on the last day, in hexagons.",
        "mobility_readers:gps_jamming", also=("mobility",),
        companion="seed-meta:intelligence:gpsjam", placed=True),
    InputSpec("military_flights", "military:flights:v1", 30, "every 5 min",
        "Military aircraft in the air, with position, operator and type.",
        "mobility_readers:military_flights", also=("mobility",), placed=True),
)
# fmt: on

INPUTS: Mapping[str, InputSpec] = MappingProxyType({spec.name: spec for spec in CATALOGUE})
INPUT_KEYS: tuple[str, ...] = tuple(spec.key for spec in CATALOGUE)
COMPANION_KEYS: tuple[str, ...] = tuple(spec.companion for spec in CATALOGUE if spec.companion)
