"""The table of regions and what follows from it (SPEC 1 and 4, Mobility)."""

import json

import pytest
from msgspec.structs import replace

from regional_assets.defs.partitions import brief_partitions, region_partitions
from regional_assets.intelligence.geography import AirportWord, Box, Geography, Region
from regional_assets.intelligence.inputs import StoredValue
from regional_assets.intelligence.world import build_world
from regional_assets_tests.support.built_in import MODEL
from regional_assets_tests.support.worlds import NOW

ANTARCTICA = Region(
    "antarctica",
    "Antarctica",
    "Antarctica",
    key_countries=("AQ",),
    countries=frozenset(("AQ",)),
    places=("Ross Sea",),
    boxes=(Box(8, -90, -60, -180, 180),),
    airport_words=(AirportWord(6, "POLAR"),),
    jamming_areas=("antarctic-peninsula",),
)


def test_one_more_region_is_one_more_row() -> None:
    model = replace(MODEL, regions=(*MODEL.regions, ANTARCTICA))
    stored = {
        "risk:scores:sebuf:stale:v8": {"ciiScores": [{"region": "AQ", "combinedScore": 60}]},
        "intelligence:cross-source-signals:v1": {"signals": [{"id": "s", "theater": "ross sea"}]},
        "forecast:predictions:v2": {
            "predictions": [{"id": "f", "region": "Antarctica, inland", "probability": 1}]
        },
        "aviation:delays:faa:v1": {"alerts": [{"icao": "NZSP", "region": "POLAR"}]},
        "intelligence:gpsjam:v2": {
            "hexes": [{"region": "antarctic-peninsula"}, {"region": "other", "lat": -80, "lon": 0}]
        },
        "military:flights:v1": {"flights": [{"lat": -75, "lon": 100}]},
    }
    world = build_world(
        model, {k: StoredValue(json.dumps(v).encode()) for k, v in stored.items()}, NOW
    )
    assert len(world.risk_scores["antarctica"]) == 1
    assert len(world.key_risk_scores["antarctica"]) == 1
    assert [signal.id for signal in world.signals["antarctica"]] == ["s"]
    assert [forecast.id for forecast in world.forecasts["antarctica"]] == ["f"]
    assert [alert.icao for alert in world.airport_alerts["antarctica"]] == ["NZSP"]
    assert world.jamming["antarctica"].levels["low"] == 2
    assert world.flights["antarctica"] == 1
    for partitions in (region_partitions(model), brief_partitions(model)):
        assert partitions.get_partition_keys()[-1] == "antarctica"
    # The built-in model has not changed.
    assert "antarctica" not in MODEL.region_ids


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            Region("new", "New", countries=frozenset(("FR",))),
            "country 'FR' is in two regions, europe and new",
        ),
        (
            Region("new", "New", jamming_areas=("levant",)),
            "jamming area 'levant' is in two regions, mena and new",
        ),
        (Region("mena", "Again"), "id 'mena' is in two regions, mena and mena"),
    ],
)
def test_what_only_one_region_can_have(row: Region, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Geography((*MODEL.regions, row))


def test_the_lowest_rank_decides_whatever_the_order_of_the_rows() -> None:
    low = Region("low", "", boxes=(Box(2, 0, 2, 0, 2),), airport_words=(AirportWord(2, "A"),))
    high = replace(
        low, id="high", boxes=(Box(1, 2, 4, 2, 4),), airport_words=(AirportWord(1, "B"),)
    )
    for table in ((low, high), (high, low)):
        found = Geography(table)
        assert found.region_of_position(2, 2) == "high"
        assert found.region_of_position(0, 0) == "low"
        assert found.region_of_position(0, 4) is None
        assert found.region_of_airport_text("A AND B") == "high"
        assert found.region_of_airport_text("A") == "low"
        assert found.region_of_airport_text("C") is None


def test_the_order_of_the_specification() -> None:
    assert MODEL.geography.region_of_airport_text("AMERICAS APAC EUROPE MENA AFRICA") == "latam"
    assert MODEL.geography.region_of_airport_text("APAC EUROPE MENA AFRICA") == "east-asia"
    assert MODEL.geography.region_of_airport_text("EUROPE MENA AFRICA") == "europe"
    assert MODEL.geography.region_of_airport_text("MENA AFRICA") == "mena"
    # Two boxes hold it, one is of an earlier region in the specification's order.
    assert MODEL.geography.region_of_position(37, 30) == "mena"
    assert MODEL.geography.region_of_position(15, 30) == "mena"
    assert MODEL.geography.region_of_position(36, 60) == "mena"
    assert MODEL.geography.region_of_position(20, 95) == "south-asia"
    assert MODEL.geography.region_of_position(16, -40) is None
