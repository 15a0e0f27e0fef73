"""The table of regions and what follows from it (SPEC 1 and 4, Mobility)."""

import subprocess
import sys

import pytest
from msgspec.structs import replace

from regional_assets.intelligence.geography import AirportWord, Box, Geography, Region
from regional_assets_tests.support.built_in import MODEL, REGIONS

# A process of its own: the regions must be installed before anything is derived from them.
ONE_MORE = """
import json

from regional_assets.intelligence import geography

antarctica = geography.Region(
    "antarctica",
    "Antarctica",
    "Antarctica",
    key_countries=("AQ",),
    countries=frozenset(("AQ",)),
    places=("Ross Sea",),
    boxes=(geography.Box(8, -90, -60, -180, 180),),
    airport_words=(geography.AirportWord(6, "POLAR"),),
    jamming_areas=("antarctic-peninsula",),
)
geography.install((*geography.REGIONS.values(), antarctica))

from regional_assets.defs.partitions import BRIEF_REGIONS, REGIONS
from regional_assets.intelligence.inputs import StoredValue
from regional_assets.intelligence.snapshot import assess
from regional_assets.intelligence.world import build_world

now = 1_790_000_000_000
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
world = build_world(MODEL, {k: StoredValue(json.dumps(v).encode()) for k, v in stored.items()}, now)
print(
    len(world.risk_scores["antarctica"]),
    len(world.key_risk_scores["antarctica"]),
    [signal.id for signal in world.signals["antarctica"]],
    [forecast.id for forecast in world.forecasts["antarctica"]],
    [alert.icao for alert in world.airport_alerts["antarctica"]],
    world.jamming["antarctica"].levels["low"],
    world.flights["antarctica"],
    REGIONS.get_partition_keys()[-1] == BRIEF_REGIONS.get_partition_keys()[-1] == "antarctica",
)
"""


def test_one_more_region_is_one_more_row() -> None:
    printed = subprocess.run(
        [sys.executable, "-c", ONE_MORE], capture_output=True, text=True, check=True
    ).stdout
    assert printed == "1 1 ['s'] ['f'] ['NZSP'] 2 1 True\n"


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
        Geography((*REGIONS.values(), row))


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
