"""Absent is not zero (SPEC, notation): whatever stands where a number belongs, no reader makes a
number of it, and the record is counted."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regional_assets.intelligence.snapshot import assess, region_content
from regional_assets.intelligence.world import World
from regional_assets_tests.support.built_in import REGION_IDS
from regional_assets_tests.support.worlds import NOW, content_of, world_of

HOUR = 3_600_000
HORMUZ = "hormuz_transit_drop"
# A baseline against which a 0 would activate each trailing trigger that an input feeds.
HISTORY = {
    HORMUZ: [(NOW - n * 6 * HOUR, 100.0) for n in range(1, 10)],
    "iran_cii_spike": [(NOW - n * 6 * HOUR, -50.0) for n in range(1, 10)],
}
CASES = Path(__file__).parents[1] / "cases"
TRANSITS = json.loads((CASES / "transits.json").read_text(encoding="utf-8"))

FULL: dict[str, Any] = {
    "risk_scores": {"ciiScores": [{"region": "IR", "combinedScore": 80}]},
    "forecasts": {
        "predictions": [
            {
                "region": "Iran",
                "probability": 0.6,
                "confidence": 0.7,
                "trend": "rising",
                "domain": "military",
                "projections": {"h24": 0.2, "d7": 0.4, "d30": 0.6},
            }
        ]
    },
    "chokepoints": {"chokepoints": [{"id": "hormuz_strait", "threatLevel": "normal"}]},
    "transit_summaries": {"summaries": {"hormuz_strait": {"todayTotal": 38, "wowChangePct": -60}}},
    "oref_alerts": {"historyCount24h": 20},
    "national_debt": {"entries": [{"iso3": "IRN", "debtToGdp": 140}]},
    "stress_index": {"compositeScore": 90},
    "energy_mix": {"IR": {"importShare": 90}, "DE": {"importShare": 90}},
    "eu_gas_storage": {"fillPct": 5},
    "strategic_reserves": {"daysOfCover": 1},
    "gps_jamming": {"hexes": [{"level": "high", "region": "other", "lat": 33.5, "lon": 36.3}]},
    "military_flights": {"flights": [{"lat": 33.5, "lon": 36.3}]},
}


def numbers(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every number in a JSON value."""
    if isinstance(value, dict | list):
        members = value.items() if isinstance(value, dict) else enumerate(value)
        return [found for key, member in members for found in numbers(member, (*path, key))]
    return [path] if isinstance(value, int | float) else []


PATHS = numbers(FULL)
NUMBER = re.compile(r"[+-]?[\d.]+([eE][+-]?\d+)?")
ABSENT = st.sampled_from(
    [None, "", " ", "-", "n/a", "NaN", "Infinity", "15 %", "1,234", "0x10", "1_000", "  7 ",
     True, False, [], {}, [5], {"value": 5}, 10**400]
) | st.text().filter(lambda text: not NUMBER.fullmatch(text))  # fmt: skip


def with_absent(path: tuple[Any, ...], *form: Any) -> World:
    """The full world with `form` in the place of one number; without the field when none is
    given."""
    inputs = copy.deepcopy(FULL)
    *parents, name = path
    holder: Any = inputs
    for key in parents:
        holder = holder[key]
    if form:
        holder[name] = form[0]
    else:
        del holder[name]
    return world_of(**inputs)


def said(world: World) -> list[Any]:
    """Everything that snapshots say of a world."""
    assessment = assess(world, HISTORY)
    contents = [region_content(assessment, region) for region in REGION_IDS]
    return [(content.digest, content.weighed.defaulted_terms) for content in contents]


def active(world: World) -> set[str]:
    triggers = content_of(world, "mena", HISTORY).triggers
    return {reading.trigger.id for reading in triggers if reading.state == "active"}


def test_the_full_world_has_every_number() -> None:
    assert len(PATHS) == 19
    assert active(world_of(**FULL)) == {HORMUZ, "iran_cii_spike", "oref_cluster"}
    assert not any(tally.counts for tally in world_of(**FULL).tallies.values())


@given(st.sampled_from(PATHS), ABSENT)
def test_what_is_no_number_is_the_same_as_no_field(path: tuple[Any, ...], form: Any) -> None:
    found, without = with_absent(path, form), with_absent(path)
    assert said(found) == said(without)
    assert found.tallies == without.tallies


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ".".join(map(str, path)))
def test_an_absent_number_activates_nothing_and_is_counted(path: tuple[Any, ...]) -> None:
    full, without = world_of(**FULL), with_absent(path)
    assert active(without) <= active(full)
    # The trigger whose number it was is dormant.
    metric = {"todayTotal": HORMUZ, "combinedScore": "iran_cii_spike"}.get(path[-1])
    assert metric not in active(without)
    tally = without.tallies[path[0]]
    assert tally.skipped + tally.incomplete == 1
    left_out = copy.deepcopy(FULL)
    del left_out[path[0]]
    for region in REGION_IDS:
        axes, others = (
            content_of(world, region).said.balance for world in (without, world_of(**left_out))
        )
        if path[0] in ("risk_scores", "forecasts", "national_debt", "stress_index"):
            # As if the record were not there.
            for axis in ("domestic_fragility", "capital_stress"):
                assert axes.axis(axis) == others.axis(axis)


@pytest.mark.parametrize("case", TRANSITS["cases"], ids=lambda case: case["name"])
def test_transits_as_writers_write_them(case: dict[str, Any]) -> None:
    world = world_of(
        chokepoints=FULL["chokepoints"],
        transit_summaries={"summaries": {"hormuz_strait": case["row"]}},
    )
    transit = world.transits["hormuz"]
    assert (transit.today, transit.wow_change_pct) == (case["today"], case["wow_change_pct"])
    assert world.tallies["transit_summaries"].incomplete == case["incomplete"]
    assert (HORMUZ in active(world)) == case["active"]
    readings = {r.trigger.id: r.value for r in content_of(world, "mena", HISTORY).triggers}
    # What is None is not observed.
    assert (readings[HORMUZ] is None) == (case["today"] is None)
    defaulted = content_of(world, "mena").weighed.defaulted_terms
    assert ("maritime_access.hormuz.wow_change_pct = 0" in defaulted) == (
        case["wow_change_pct"] is None
    )


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("cross_source_signals", {"signals": [{"theater": "Levant", "severity": "AMBER"}]}),
        ("chokepoints", {"chokepoints": [{"id": "suez", "status": "red"}]}),
        ("chokepoints", {"chokepoints": [{"id": "suez"}]}),
        ("macro_signals", {"verdict": "UNKNOWN"}),
        ("faa_delays", {"alerts": [{"country": "USA", "severity": "unspecified"}]}),
        ("notam_closures", {"closedIcaos": ["OIIE"], "reasons": {}}),
        ("gps_jamming", {"hexes": [{"region": "levant", "level": "extreme"}]}),
        ("oref_alerts", {"persistedAt": "2026-08-22T14:30:00Z"}),
        ("oref_alerts", {"history": [{"timestamp": NOW}]}),
    ],
)
def test_a_word_that_is_not_known_is_counted(name: str, payload: dict[str, Any]) -> None:
    assert world_of(NOW, **{name: payload}).tallies[name].counts == {"incomplete": 1}
