"""The catalogue, envelopes, companions, freshness, confidence (SPEC 2)."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from regional_assets.intelligence import world as world_module
from regional_assets.intelligence.catalogue import InputSpec
from regional_assets.intelligence.inputs import (
    InputState,
    StoredValue,
    is_sample,
    parse_json,
    read_input,
    read_inputs,
)
from regional_assets.intelligence.model_checks import ModelError, checked
from regional_assets.intelligence.world import build_world
from regional_assets_tests.support.built_in import MODEL
from regional_assets_tests.support.worlds import COMPANION, KEY, NOW, encoded, sample_values

MINUTE = 60_000


def state(
    name: str = "risk_scores", payload: Any = None, companion: Any = None, now: int = NOW
) -> InputState:
    inputs = {name: payload}
    if companion is not None:
        inputs[COMPANION[name]] = companion
    return read_inputs(MODEL.inputs, encoded(inputs), now)[name]


def payload_of(value: Any) -> Any:
    return read_input(MODEL.inputs[0], encoded({MODEL.inputs[0].name: value}), NOW)[1]


def test_every_catalogued_input_is_read_and_every_read_is_catalogued() -> None:
    read = build_world(MODEL, {}, NOW).inputs
    assert sorted(read) == sorted(spec.name for spec in MODEL.inputs)
    assert len([spec for spec in MODEL.inputs if spec.companion]) == 11


def test_an_input_without_a_reader_is_refused() -> None:
    assert set(world_module._READERS) == {spec.name for spec in MODEL.inputs}
    forgotten = InputSpec("moon", "moon:v1", 30, "monthly", "Phases.")
    with pytest.raises(ModelError, match=r"inputs\.moon: this version reads no input 'moon'"):
        checked(replace(MODEL, inputs=(*MODEL.inputs, forgotten)))


def test_an_envelope_is_unwrapped() -> None:
    value = {"_seed": {"fetchedAt": NOW}, "data": {"ciiScores": []}}
    assert payload_of(value) == {"ciiScores": []}
    found = state(payload=value)
    assert (found.freshness, found.timestamp) == ("fresh", NOW)


@pytest.mark.parametrize("seed", [1, None, [], {}, {"fetchedAt": "now"}, {"fetchedAt": True}])
def test_what_is_no_envelope_is_taken_as_it_is(seed: Any) -> None:
    value = {"_seed": seed, "data": {}}
    assert payload_of(value) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ('{"a": NaN}', "NaN is not JSON"),
        ("null", "null"),
        ('"__WM_NEG__"', "has nothing"),
        ('{"_seed": {"fetchedAt": 1}, "data": "__WM_NEG__"}', "has nothing"),
        ('{"_seed": {"fetchedAt": 1}}', "null"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_counts_as_missing_and_is_named(text: str, problem: str) -> None:
    found = state(payload=text)
    assert payload_of(text) is None
    assert found.freshness == "missing"
    assert problem in (found.problem or "")


@pytest.mark.parametrize("text", ["[]", "[1]", "5", '"text"', "true"])
def test_what_is_no_object_is_missing_even_if_its_companion_is_fresh(text: str) -> None:
    found = state(payload=text, companion={"fetchedAt": NOW})
    assert payload_of(text) is None
    assert found.freshness == "missing"
    assert "not an object" in (found.problem or "")


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf5",
        '"\N{EURO SIGN}"'.encode("utf-16"),
        rb'"\ud800\u0041"',
        b'"\xed\xa0\x80"',
        b"[1e400, 5e-324, -0, -0.0, 18446744073709551616, 9007199254740993.0]",
        b"1" * 400,
        b'{"a": 1, "a": {"\xe2\x82\xac": "\\ud83d\\ude00"}}',
    ],
)
def test_json_is_read_as_the_standard_library_reads_it(text: bytes) -> None:
    assert repr(parse_json(StoredValue(text))) == repr((json.loads(text), None))


def test_a_number_that_no_reader_can_hold_costs_its_record_only() -> None:
    text = '{"flights": [{"lat": 30, "lon": 40}, {"lat": 1' + "0" * 5_000 + ', "lon": 1}]}'
    world = build_world(MODEL, {KEY["military_flights"]: StoredValue(text.encode())}, NOW)
    assert world.flights == {"mena": 1}
    assert world.tallies["military_flights"].skipped == 1


def test_an_absent_key_is_missing_without_a_problem() -> None:
    found = read_inputs(MODEL.inputs, {}, NOW)["forecasts"]
    assert (found.freshness, found.problem) == ("missing", None)


def test_a_key_of_another_type_is_missing_and_the_server_is_quoted() -> None:
    stored = {KEY["forecasts"]: StoredValue(error="forecast:predictions:v2: WRONGTYPE ...")}
    found = read_inputs(MODEL.inputs, stored, NOW)["forecasts"]
    assert (found.freshness, found.problem) == ("missing", "forecast:predictions:v2: WRONGTYPE ...")


def test_the_companion_comes_before_the_payload() -> None:
    payload = {"fetchedAt": NOW - 5 * MINUTE}
    assert state(payload=payload, companion={"fetchedAt": NOW - 9}).timestamp == NOW - 9
    assert state(payload=payload, companion={"recordCount": 1}).timestamp == NOW - 5 * MINUTE


@pytest.mark.parametrize(
    "companion",
    [
        {"fetchedAt": NOW, "status": "error"},
        {"fetchedAt": NOW, "quotaExhausted": True},
        "not JSON {",
        [],
    ],
)
def test_a_companion_that_tells_of_no_data_is_not_used(companion: Any) -> None:
    found = state(payload={"fetchedAt": NOW - 7}, companion=companion)
    assert found.timestamp == NOW - 7


@pytest.mark.parametrize(
    ("payload", "timestamp"),
    [
        ({"generatedAt": 1, "fetchedAt": 2}, 2),
        ({"fetchedAt": "never", "generatedAt": 3}, 3),
        ({"fetchedAt": None, "timestamp": True, "updatedAt": 4}, 4),
        ({"lastUpdate": "2026-08-22T16:58:03.221Z"}, 1787417883221),
        ({"seededAt": "2026-08-21"}, 1787270400000),
        ({"seededAt": "2026-08-21T02:00:00+02:00"}, 1787270400000),
        ({"seededAt": "Fri, 21 Aug 2026 00:00:00 GMT"}, 1787270400000),
        ({"evaluatedAt": 5}, None),
        ({"fetchedAt": 10**400}, None),
        ({"fetchedAt": "Mon, 1 Jan 2024 00:00:00 +99999999999999"}, None),
    ],
)
def test_the_first_timestamp_that_is_one(payload: dict[str, Any], timestamp: int | None) -> None:
    assert state("forecasts", payload).timestamp == timestamp


def test_the_time_of_the_envelope_is_used_last() -> None:
    wrapped = {"_seed": {"fetchedAt": 7}, "data": {"updatedAt": 8}}
    assert state("forecasts", wrapped).timestamp == 8
    wrapped["data"] = {}
    assert state("forecasts", wrapped).timestamp == 7


@pytest.mark.parametrize(
    ("age", "freshness"),
    [
        (0, "fresh"),
        (30 * MINUTE, "fresh"),
        (30 * MINUTE + 1, "stale"),
        (-5 * MINUTE, "fresh"),
        (-5 * MINUTE - 1, "stale"),
    ],
)
def test_freshness(age: int, freshness: str) -> None:
    assert state(payload={"fetchedAt": NOW - age}).freshness == freshness


def test_present_without_a_timestamp_is_stale() -> None:
    assert state(payload={}).freshness == "stale"


def test_confidence_and_validity() -> None:
    fresh, stale = NOW - 10 * MINUTE, NOW - 500 * MINUTE
    confidence = build_world(
        MODEL,
        encoded(
            {
                "risk_scores": {"fetchedAt": fresh},
                "macro_signals": {
                    "timestamp": datetime.fromtimestamp(fresh / 1000, UTC).isoformat()
                },
                "stress_index": {"seededAt": stale},
            }
        ),
        NOW,
    ).confidence
    assert confidence.score == round(0.6 * 3 / len(MODEL.inputs) + 0.4 * 2 / 3, 3)
    assert confidence.stale_inputs == (KEY["stress_index"],)
    assert len(confidence.missing_inputs) == len(MODEL.inputs) - 3
    assert confidence.missing_inputs[0] == KEY["forecasts"]
    assert confidence.valid_until == NOW + 20 * MINUTE


def test_validity_is_bounded() -> None:
    nothing = build_world(MODEL, {}, NOW).confidence
    assert (nothing.score, nothing.valid_until) == (0, NOW)
    slow = build_world(MODEL, encoded({"national_debt": {"seededAt": NOW}}), NOW).confidence
    assert slow.valid_until == NOW + 360 * MINUTE


def test_bad_records_are_skipped_and_counted() -> None:
    world = build_world(
        MODEL,
        encoded(
            {
                "risk_scores": {"ciiScores": [{"region": "IR", "combinedScore": 50}, 7, {}]},
                "forecasts": {"predictions": {}},
                "cross_source_signals": {"signals": "many"},
            }
        ),
        NOW,
    )
    skipped = {name: tally.skipped for name, tally in world.tallies.items()}
    assert skipped == {"risk_scores": 2, "forecasts": 0, "cross_source_signals": 1}
    assert [s.country for s in world.risk_scores["mena"]] == ["IR"]


def test_a_lone_surrogate_does_not_cost_the_input() -> None:
    text = json.dumps({"predictions": [{"id": "a\ud83d", "region": "Iran", "probability": 1}]})
    world = build_world(MODEL, {KEY["forecasts"]: StoredValue(text.encode())}, NOW)
    assert [f.id for f in world.forecasts["mena"]] == ["a"]


@pytest.mark.parametrize(
    ("stored", "sample"),
    [
        (b'{"_sample": true}', True),
        (b'{"_sample": true, "_seed": {"fetchedAt": 1}, "data": {}}', True),
        (b'{"_seed": {"fetchedAt": 1}, "data": {"_sample": true}}', True),
        (b'{"_seed": {"fetchedAt": 1}, "data": [true]}', False),
        (b'{"data": {"_sample": true}}', False),
        (b'{"_sample": 1}', False),
        (b'{"_sample": "true"}', False),
        (b'["_sample"]', False),
        (b'"__WM_NEG__"', False),
        (b"null", False),
        (b'{"_sample": true', False),
        (b"[" * 100_000, False),
        (b"\xff", False),
    ],
)
def test_a_sample_says_that_it_is_one(stored: bytes, sample: bool) -> None:
    assert is_sample(StoredValue(stored)) is sample
    assert not is_sample(StoredValue(error="WRONGTYPE"))


@pytest.mark.parametrize("inside", [False, True], ids=["at the top", "in the envelope"])
def test_that_it_is_a_sample_changes_nothing_else(inside: bool) -> None:
    marked, unmarked = {}, {}
    for key, value in sample_values().items():
        stored = json.loads(value)
        assert stored.pop("_sample") is True, key
        unmarked[key] = StoredValue(json.dumps(stored).encode())
        (stored["data"] if inside and "_seed" in stored else stored)["_sample"] = True
        marked[key] = StoredValue(json.dumps(stored).encode())
        assert is_sample(marked[key])
    with_mark, without = build_world(MODEL, marked, NOW), build_world(MODEL, unmarked, NOW)
    for field in with_mark.__struct_fields__:
        # The states have the sizes.
        if field != "inputs":
            assert getattr(with_mark, field) == getattr(without, field), field
    assert with_mark.tallies["energy_mix"].skipped == 0
