"""The schemas of the larger inputs: what they take, and what is left to the generic parser."""

import json
from typing import Any

import msgspec
import pytest

from regional_assets.intelligence.inputs import StoredValue
from regional_assets.intelligence.records import FLIGHTS, RECORDS
from regional_assets.intelligence.tally import Tally
from regional_assets.intelligence.world import build_world
from regional_assets_tests.support.built_in import MODEL
from regional_assets_tests.support.worlds import KEY, NOW, sample_values


@pytest.mark.parametrize("name", RECORDS)
def test_the_sample_inputs_have_the_shape_of_their_schemas(name: str) -> None:
    data, records, by_schema, by_field = sample_values()[KEY[name]], RECORDS[name], Tally(), Tally()
    stored, plain = records.decode(data), json.loads(data)
    found = records.of(stored["data"] or stored, by_schema)
    assert list(found) == list(records.of(plain.get("data", plain), by_field))
    assert by_schema == by_field
    assert by_schema.records > 0


@pytest.mark.parametrize(
    "flight",
    [5, {"lat": "30", "lon": 40}, {"lat": 30, "lon": 40, "onGround": 1}, {"lat": True}],
)
def test_one_record_of_another_shape_leaves_all_to_the_generic_parser(flight: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        FLIGHTS.decode(json.dumps({"flights": [{"lat": 30, "lon": 40}, flight]}).encode())


@pytest.mark.parametrize(
    ("unread", "problem", "flights"),
    [
        (b'"adsb-1"', None, 1),
        (b"1e400", None, 1),
        (b"1" * 5_000, None, 1),
        (b'"\\ud800"', None, 1),
        (b'"\xff"', "not JSON (not UTF-8)", 0),
        (b'"\\x"', "not JSON (Invalid \\escape: line 1 column 44 (char 43))", 0),
        (b"NaN", "not JSON (NaN is not JSON: line 1 column 1 (char 0))", 0),
        (b"[" * 100_000, "nested too deeply", 0),
    ],
)
def test_a_field_that_no_reader_asks_for_must_be_json_too(
    unread: bytes, problem: str | None, flights: int
) -> None:
    data = b'{"flights": [{"lat": 30, "lon": 40, "id": %s}]}' % unread
    world = build_world(MODEL, {KEY["military_flights"]: StoredValue(data)}, NOW)
    assert world.inputs["military_flights"].problem == problem
    assert world.flights.get("mena", 0) == flights
