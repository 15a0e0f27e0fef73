"""Every rule of SPEC 2, "Reading live payloads", one test each."""

from typing import Any

import pytest

from regional_assets.intelligence.evidence import evidence
from regional_assets.intelligence.mobility import mobility
from regional_assets_tests.support.built_in import REGION_IDS
from regional_assets_tests.support.worlds import NOW, content_of, world_of

MINUTE = 60_000


def chokepoints(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"chokepoints": list(rows)}


@pytest.mark.parametrize(
    ("row", "level"),
    [
        ({"threatLevel": "high", "warRiskTier": "WAR_RISK_TIER_NORMAL"}, "high"),
        ({"warRiskTier": "WAR_RISK_TIER_WAR_ZONE", "status": "yellow"}, "war_zone"),
        ({"warRiskTier": "war_risk_tier_elevated"}, "elevated"),
        ({"status": "critical"}, "critical"),
        ({"threatLevel": "", "status": "High"}, "high"),
        ({"threatLevel": None}, "normal"),
        ({"status": "red"}, "unknown"),
        ({}, "normal"),
        ({"threatLevel": 3}, "normal"),
    ],
)
def test_the_level_of_a_chokepoint(row: dict[str, Any], level: str) -> None:
    world = world_of(chokepoints=chokepoints({"id": "suez", **row}))
    assert world.chokepoints == {"suez": level}


@pytest.mark.parametrize(
    ("live", "id"),
    [
        ("hormuz_strait", "hormuz"),
        ("bab_el_mandeb", "babelm"),
        ("malacca_strait", "malacca"),
        ("dover_strait", "dover_strait"),
        ("suez", "suez"),
    ],
)
def test_chokepoint_ids_have_one_spelling(live: str, id: str) -> None:
    world = world_of(
        chokepoints=chokepoints({"id": live, "threatLevel": "high"}),
        transit_summaries={"summaries": {live: {"todayTotal": 5, "wowChangePct": -9}}},
    )
    assert world.chokepoints == {id: "high"}
    assert world.transits[id].wow_change_pct == -9
    for region in REGION_IDS:
        for item, _ in evidence(world, region):
            assert item.id == f"chokepoint:{id}"
            assert item.corridor == id


def test_a_transit_summary_without_data_is_absent() -> None:
    row = {"todayTotal": 0, "wowChangePct": 0}
    world = world_of(
        transit_summaries={
            "summaries": {
                "suez": {**row, "dataAvailable": False},
                "panama": {**row, "dataAvailable": True},
                "bosphorus": row,
            }
        }
    )
    assert set(world.transits) == {"panama", "bosphorus"}


def test_trend_prefixes_are_dropped() -> None:
    row = {"region": "IR", "combinedScore": 80, "trend": "TREND_DIRECTION_RISING"}
    [(item, _)] = evidence(world_of(risk_scores={"ciiScores": [row]}), "mena")
    assert item.summary == "IR instability index at 80, rising"


@pytest.mark.parametrize(
    ("payload", "fill"),
    [
        ({"fillPct": 71.8, "history": [{"fillPct": 1}], "months": [{"fillPct": 2}]}, 0.718),
        ({"history": [{"fillPct": 60}, {"fillPct": 50}], "months": [{"fillPct": 2}]}, 0.60),
        ({"months": [{"fillPct": 30}, {"fillPct": 40}]}, 0.40),
        ({"months": []}, None),
        ({"fillPct": "71.8"}, None),
    ],
)
def test_the_fill_of_eu_gas_storage(payload: dict[str, Any], fill: float | None) -> None:
    world = world_of(eu_gas_storage=payload)
    assert world.gas_fill == pytest.approx(fill) if fill else world.gas_fill is None


def test_eu_gas_speaks_of_europe_only() -> None:
    world = world_of(
        eu_gas_storage={"fillPct": 80},
        energy_mix={"DE": {"importShare": 0}, "JP": {"importShare": 0}},
        strategic_reserves={"daysOfCover": 90},
    )
    assert content_of(world, "europe").said.balance.energy_vulnerability == 0
    assert content_of(world, "east-asia").said.balance.energy_vulnerability == 0.125


@pytest.mark.parametrize(
    "kind",
    "EARTHQUAKE_SIGNIFICANT WEATHER_EXTREME WILDFIRE_ESCALATION VIX_SPIKE COMMODITY_SHOCK "
    "MARKET_STRESS MEDIA_TONE_DETERIORATION REGULATORY_ACTION DISPLACEMENT_SURGE".split(),
)
def test_signals_that_are_evidence_but_not_coercion(kind: str) -> None:
    signal = {
        "id": "x",
        "type": f"CROSS_SOURCE_SIGNAL_TYPE_{kind}",
        "theater": "Levant",
        "severity": "CROSS_SOURCE_SIGNAL_SEVERITY_CRITICAL",
    }
    quiet = world_of(cross_source_signals={"signals": [signal]})
    assert content_of(quiet, "mena").said.balance.coercive_pressure == 0
    assert [item.id for item, _ in evidence(quiet, "mena")] == ["x"]
    signal["type"] = "CROSS_SOURCE_SIGNAL_TYPE_THERMAL_SPIKE"
    loud = world_of(cross_source_signals={"signals": [signal]})
    assert content_of(loud, "mena").said.balance.coercive_pressure > 0


def test_projections_give_each_horizon_its_probability() -> None:
    forecast = {
        "region": "Iran",
        "probability": 0.9,
        "timeHorizon": "7d",
        "trend": "rising",
        "projections": {"h24": 0.2, "d7": 0.4, "d30": 0.6},
    }
    [read] = world_of(forecasts={"predictions": [forecast]}).forecasts["mena"]
    assert dict(read.horizons) == {"24h": 0.2, "7d": 0.4, "30d": 0.6}
    del forecast["projections"]
    [read] = world_of(forecasts={"predictions": [forecast]}).forecasts["mena"]
    assert dict(read.horizons) == {"7d": 0.9}


@pytest.mark.parametrize(
    ("horizon", "horizons"),
    [
        ("", {"7d"}),
        ("24h", {"24h"}),
        ("One Day", {"24h"}),
        ("h24", {"24h"}),
        ("next week", {"7d"}),
        ("D7", {"7d"}),
        ("month", {"30d"}),
        ("30d", {"30d"}),
        ("quarter", set()),
    ],
)
def test_time_horizons(horizon: str, horizons: set[str]) -> None:
    forecast = {"region": "", "probability": 0.5, "timeHorizon": horizon}
    [read] = world_of(forecasts={"predictions": [forecast]}).forecasts["global"]
    assert set(read.horizons) == horizons


def test_sirens_count_localities_of_the_last_hour() -> None:
    def wave(age_minutes: float, *data: Any) -> dict[str, Any]:
        return {"timestamp": NOW - age_minutes * MINUTE, "alerts": [{"data": d} for d in data]}

    payload: dict[str, Any] = {
        "history": [wave(61, ["a"] * 50), wave(60, ["a", "b"], "c"), wave(1, ["d"])],
        "activeAlertCount": 99,
    }
    assert world_of(oref_alerts=payload).active_sirens == 4
    # An empty object where a list belongs is an empty list.
    assert world_of(oref_alerts={"history": [wave(1, {})]}).active_sirens == 0
    payload["history"] = []
    assert world_of(oref_alerts=payload).active_sirens == 99
    assert world_of(oref_alerts={"historyCount24h": 7}).active_sirens == 7
    assert world_of(oref_alerts={}).active_sirens == 0
    assert world_of().active_sirens == 0


def alert(**fields: Any) -> dict[str, Any]:
    return {
        "icao": "LTFM",
        "iata": "IST",
        "country": "Turkey",
        "region": "AIRPORT_REGION_EUROPE",
        "severity": "FLIGHT_DELAY_SEVERITY_SEVERE",
        **fields,
    }


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, "closed"),
        ({"severity": "major"}, "disrupted"),
        ({"delayType": "FLIGHT_DELAY_TYPE_CLOSURE"}, "closed"),
        ({"delayType": "FLIGHT_DELAY_TYPE_GROUND_STOP"}, "disrupted"),
        ({"delayType": "FLIGHT_DELAY_TYPE_GROUND_STOP", "reason": "Airport closure"}, "closed"),
    ],
)
def test_what_closes_an_airport(fields: dict[str, Any], status: str) -> None:
    world = world_of(intl_delays={"alerts": [alert(**fields)]})
    [airport] = mobility(world, "mena").airports
    assert airport.status == status
    assert airport.name == "IST"


@pytest.mark.parametrize(
    ("country", "region_text", "region"),
    [
        ("Turkey", "AIRPORT_REGION_EUROPE", "mena"),
        ("Nowhere", "AIRPORT_REGION_EUROPE", "europe"),
        ("Nowhere", "AIRPORT_REGION_AMERICAS", "latam"),
        ("USA", "", "north-america"),
        ("Mexico", "americas", "north-america"),
        ("Nowhere", "apac", "east-asia"),
        *((c, "AMERICAS", "north-america") for c in ("United States of America", "Canada")),
        *((c, "APAC", "south-asia") for c in ("India", "Sri Lanka", "Nepal", "Afghanistan")),
        ("Maldives", "apac", "south-asia"),
        ("", "AIRPORT_REGION_MENA", "mena"),
        ("", "AIRPORT_REGION_AFRICA", "sub-saharan-africa"),
    ],
)
def test_the_region_of_an_airport(country: str, region_text: str, region: str) -> None:
    world = world_of(faa_delays={"alerts": [alert(country=country, region=region_text)]})
    assert list(world.airport_alerts) == [region]


def test_a_notam_without_an_alert_is_placed_by_its_icao_prefix() -> None:
    world = world_of(
        notam_closures={
            "closedIcaos": ["OIIE", "LTFM", "ZZZZ"],
            "restrictedIcaos": ["OIIE", "ENGM"],
            "reasons": {"OIIE": "x" * 300, "LTFM": "closed", "ENGM": "closed", "ZZZZ": "closed"},
        },
        # An alert places it elsewhere, the last one decides, of whatever severity.
        intl_delays={"alerts": [alert(), alert(country="Greece", severity="normal")]},
    )
    assert mobility(world, "mena").notam_closures == ("OIIE: " + "x" * 200,)
    assert mobility(world, "europe").notam_closures == (
        "LTFM: closed",
        "ENGM: closed",
    )


def test_an_unlabelled_jamming_hex_is_placed_by_its_position() -> None:
    hexes = [
        {"region": "levant", "level": "high"},
        {"region": "other", "lat": 34.4, "lon": 71.0, "level": "medium"},
        {"region": "never heard of", "lat": 15.8, "lon": 101.1, "level": "low"},
        {"region": "other"},
        {"region": "other", "lat": -80.0, "lon": 0.0},
    ]
    world = world_of(gps_jamming={"hexes": hexes})
    assert set(world.jamming) == {"mena", "south-asia", "east-asia"}
    assert "1 high, 0 medium, 0 low" in mobility(world, "mena").airspace[0].reason


def test_flights_on_the_ground_do_not_count() -> None:
    flights = [{"lat": 30, "lon": 40}, {"lat": 30, "lon": 40, "onGround": True}]
    assert world_of(military_flights={"flights": flights}).flights == {"mena": 1}


@pytest.mark.parametrize(
    ("lat", "lon", "region"),
    [
        (12, 20, "mena"),
        (42, 63, "mena"),
        (11.9, 20, "sub-saharan-africa"),
        (35, -10, "europe"),
        (37, 70, "south-asia"),
        (16, -100, "north-america"),
        (15.9, -100, "latam"),
        (-10, 120, "east-asia"),
        (-60, 0, None),
        (True, 20, None),
        ("12", 20, None),
    ],
)
def test_the_region_of_a_flight(lat: Any, lon: Any, region: str | None) -> None:
    world = world_of(military_flights={"flights": [{"lat": lat, "lon": lon}]})
    assert list(world.flights) == ([region] if region else [])


def test_axes_without_data_and_defaulted_terms_are_named() -> None:
    nothing = content_of(world_of(), "mena").weighed
    assert nothing.axes_without_data == (
        "coercive_pressure",
        "domestic_fragility",
        "capital_stress",
        "energy_vulnerability",
        "alliance_cohesion",
        "maritime_access",
    )
    assert "capital_stress.debt_to_gdp = 60" in nothing.defaulted_terms
    assert "maritime_access = 0.7" in nothing.defaulted_terms
    something = content_of(world_of(macro_signals={"verdict": "CASH"}), "mena").weighed
    assert "capital_stress" not in something.axes_without_data
    assert not [t for t in something.defaulted_terms if t.startswith("capital_stress.macro")]
