"""The built-in catalogue of inputs: each feed's key, age, words and reader (SPEC 2).

To add an input, add its entry here, its reader and the field that it fills in `world`, and the
terms of the scoring that read it. The code that computes asks for an input by its name and never
spells a Redis key.
"""

from typing import Annotated

import msgspec


class InputSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One catalogued input: `max_age_minutes` is when it counts as stale, `cadence` in words how
    often its writer writes, `content` in words what is in it, `also` what of a snapshot it feeds
    besides the axes whose terms name it, `companion` the key of the record its writer keeps beside
    it, `placed` whether its records belong to regions.

    `hold_hours` is how long its last words stand in for it when it is gone, by the nature of the
    feed: 0 where its absence is itself a value, none. `lives_minutes` is how long its writer lets
    the key live, where that is under an hour, so that runs alone would miss it; else 0."""

    name: str
    key: str
    max_age_minutes: Annotated[int, msgspec.Meta(ge=1)]
    cadence: str
    content: str
    also: tuple[str, ...] = ()
    companion: str = ""
    placed: bool = False
    hold_hours: Annotated[int, msgspec.Meta(ge=0)] = 24
    lives_minutes: Annotated[int, msgspec.Meta(ge=0)] = 0


# fmt: off
INPUTS: tuple[InputSpec, ...] = (
    InputSpec("risk_scores", "risk:scores:sebuf:stale:v8", 30, "about every 16 min",
        "The instability index of 31 countries, 0 to 100 each.",
        also=("triggers", "evidence"), companion="seed-meta:intelligence:risk-scores", placed=True),
    InputSpec("forecasts", "forecast:predictions:v2", 180, "hourly",
        "10 to 15 predictions for the next 7 or 30 days, with probability and confidence.",
        also=("scenarios", "actors", "evidence"), placed=True),
    InputSpec("chokepoints", "supply_chain:chokepoints:v4", 30,
        "when asked for, at least every 30 min",
        "The state of 13 sea passages: disruption, war risk, warnings, flow.",
        also=("triggers", "evidence"), lives_minutes=5),
    InputSpec("transit_summaries", "supply_chain:transit-summaries:v1", 30, "every 10 min",
        "Ships through the same 13 passages, and how that differs from the weeks before.",
        also=("triggers",), companion="seed-meta:supply_chain:transit-summaries"),
    InputSpec("cross_source_signals", "intelligence:cross-source-signals:v1", 45, "every 15 min",
        "Up to 30 signals that stand out in one or several sources, with theater and severity.",
        also=("evidence",), companion="seed-meta:intelligence:cross-source-signals", placed=True,
        lives_minutes=30),
    InputSpec("oref_alerts", "relay:oref:history:v1", 10080, "when alerts change",
        "Siren alerts in Israel over seven days. Quiet days leave it as it is.",
        also=("triggers",), companion="seed-meta:relay:oref:history", hold_hours=0),
    InputSpec("macro_signals", "economic:macro-signals:v1", 60, "every 15 min",
        "A verdict on markets (BUY or CASH) from up to seven signals, the same for every region.",
        hold_hours=72),
    InputSpec("national_debt", "economic:national-debt:v1", 86400, "every 30 days",
        "Debt to GDP of about 190 countries (IMF).",
        companion="seed-meta:economic:national-debt", placed=True, hold_hours=720),
    InputSpec("stress_index", "economic:stress-index:v1", 120, "hourly",
        "Financial stress, 0 to 100, from six series of the US Federal Reserve.",
        hold_hours=72),
    InputSpec("energy_mix", "energy:mix:v1:_all", 50400, "about every 28 days",
        "Electricity by source and imports of about 200 countries (Our World in Data).",
        companion="seed-meta:economic:owid-energy-mix", placed=True, hold_hours=720),
    InputSpec("eu_gas_storage", "economic:eu-gas-storage:v1", 2880, "daily",
        "How full the European Union's gas storage is, in percent.",
        companion="seed-meta:economic:eu-gas-storage", hold_hours=720),
    InputSpec("strategic_reserves", "economic:spr:v1", 10080, "every 15 min (new figures weekly)",
        "The US Strategic Petroleum Reserve, week by week.",
        hold_hours=720),
    InputSpec("faa_delays", "aviation:delays:faa:v1", 60, "about every 30 min",
        "Delays and closures of US airports (FAA). Often empty, and rightly so.",
        also=("mobility",), companion="seed-meta:aviation:faa", placed=True, hold_hours=12),
    InputSpec("intl_delays", "aviation:delays:intl:v3", 90, "every 55 to 85 min",
        "Airports outside the US that are disrupted now.",
        also=("mobility",), companion="seed-meta:aviation:intl", placed=True, hold_hours=12),
    InputSpec("notam_closures", "aviation:notam:closures:v2", 120, "about every 30 min",
        "Airports closed or restricted by notice to airmen.",
        also=("mobility",), companion="seed-meta:aviation:notam", placed=True, hold_hours=12),
    InputSpec("gps_jamming", "intelligence:gpsjam:v2", 1440, "every 6 hours (new figures daily)",
        "Where aircraft lost GPS on the last day, in hexagons.",
        also=("mobility",), companion="seed-meta:intelligence:gpsjam", placed=True, hold_hours=12),
    InputSpec("military_flights", "military:flights:v1", 30, "every 5 min",
        "Military aircraft in the air, with position, operator and type.",
        also=("mobility",), placed=True, hold_hours=12, lives_minutes=10),
)
# fmt: on
