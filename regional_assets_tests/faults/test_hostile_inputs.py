"""Inputs that are huge, deep, malformed or meant to harm: every region has its snapshot, in
bounded time and memory, as strict JSON, under no other keys than its own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from regional_assets.errors import UnknownRegionError
from regional_assets.intelligence.scoring import AXES
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets.store.verification import verify
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.hostile import HOSTILE, spoilt
from regional_assets_tests.support.processes import running
from regional_assets_tests.support.stored import bodies, indexed, listed, unknown_keys
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.waiting import LONG
from regional_assets_tests.support.worker import PROCESSES, take_measured
from regional_assets_tests.support.worlds import KEY, NOW, sample_values

SIZE = 50_000_000 if LONG else 200_000
SIGNALS = 1_000_000 if LONG else 5_000

# What a run may take: memory for each byte of its inputs beyond that of the process, and seconds
# of computing for each MB; the rest is for what does not grow. The costliest is a list of empty
# objects, three bytes each: 30 times its size. Records as feeds write them take 3 to 12.
MEMORY_PER_BYTE = 40
SECONDS_PER_MB = 5
SPARE_MEMORY = 20_000_000
SPARE_SECONDS = 20

MB = 1_000_000


def array(record: Any, size: int = SIZE) -> str:
    """A JSON array of that record again and again, of that size."""
    text = record if isinstance(record, str) else json.dumps(record)
    return f"[{','.join([text] * (size // (len(text) + 1)))}]"


def signals() -> str:
    theaters = "Levant", "Baltic", "South China Sea", "nowhere at all", "Sahel"
    return json.dumps(
        {
            "signals": [
                {
                    "id": f"signal {number}",
                    "type": "CROSS_SOURCE_SIGNAL_TYPE_MILITARY_FLIGHT_SURGE",
                    "theater": f"{theaters[number % 5]}{'' if number % 2 else number}",
                    "severity": "CROSS_SOURCE_SIGNAL_SEVERITY_HIGH",
                    "summary": "Something happened somewhere",
                    "detectedAt": NOW - number,
                }
                for number in range(SIGNALS)
            ]
        }
    )


FORECAST = {
    "id": "f",
    "region": "Middle East",
    "title": "t",
    "probability": 0.5,
    "trend": "rising",
    "domain": "military",
    "caseFile": {"a": ["Iran and Russia strike oil"], "b": "nato alliance"},
}
CASE = "us iran "
AIRPORT = {"icao": "OERK", "country": "Saudi Arabia", "severity": "SEVERE", "reason": "r" * 60}

# What is stored for an input (by catalogue name).
HUGE: dict[str, Callable[[], dict[str, str]]] = {
    "many signals": lambda: {"cross_source_signals": signals()},
    "empty objects": lambda: {"cross_source_signals": f'{{"signals":{array("{}", SIZE // 5)}}}'},
    "a long id": lambda: {"cross_source_signals": text_in("signals", "id", "x" * SIZE)},
    "lone surrogates": lambda: {
        "cross_source_signals": f'{{"signals":[{{"theater":"levant","id":"{surrogates()}"}}]}}'
    },
    "forecasts": lambda: {"forecasts": f'{{"predictions":{array(FORECAST)}}}'},
    "a case file": lambda: {"forecasts": text_in("predictions", "caseFile", [CASE * (SIZE // 8)])},
    "airports": lambda: {"intl_delays": f'{{"alerts":{array(AIRPORT)}}}'},
    "flights": lambda: {"military_flights": f'{{"flights":{array({"lat": 30.5, "lon": 40.5})}}}'},
    "nested, without an end": lambda: {"forecasts": '{"predictions":' + "[" * SIZE},
    "nested": lambda: {"forecasts": "[" * (SIZE // 2) + "]" * (SIZE // 2)},
    "nested objects": lambda: {"forecasts": '{"a":' * (SIZE // 5)},
    "a number": lambda: {"stress_index": f'{{"compositeScore":{"9" * SIZE}}}'},
    "a number in a text": lambda: {
        "risk_scores": text_in("ciiScores", "combinedScore", "9" * SIZE)
    },
    "numbers": lambda: {"military_flights": f'{{"flights":{array("9" * 4000)}}}'},
    "numbers that Python does not read": lambda: {
        "military_flights": f'{{"flights":{array("9" * 5000)}}}'
    },
    "a date": lambda: {"macro_signals": f'{{"timestamp":"Mon, 1 Jan {"00:" * (SIZE // 3)}"}}'},
    "the same name again": lambda: {
        "forecasts": '{"predictions":[' + '],"predictions":['.join(["1"] * (SIZE // 19)) + "]}"
    },
}  # fmt: skip


def text_in(listing: str, name: str, value: Any) -> str:
    record = {"theater": "levant", "region": "IR", "probability": 0.5, name: value}
    return json.dumps({listing: [record]})


def surrogates() -> str:
    return "\\ud800" * (SIZE // 6)


@pytest.mark.parametrize("name", HUGE)
def test_huge_inputs_take_bounded_time_and_memory(
    valkey_store: SnapshotStore, valkey_url: str, folder: Path, name: str
) -> None:
    values = {KEY[n]: value.encode() for n, value in HUGE[name]().items()}
    size = sum(map(len, values.values()))
    with redis.Redis.from_url(valkey_url, socket_timeout=60) as patient:
        patient.mset({**sample_values(), **values})
    measured = PROCESSES.SimpleQueue()
    process = PROCESSES.Process(
        target=take_measured,
        args=(valkey_url, folder, NOW, SPARE_SECONDS + SECONDS_PER_MB * size // MB, measured),
    )
    with running(process):
        process.join()
        assert process.exitcode == 0
    found = measured.get()
    assert found.outcomes == dict.fromkeys(REGION_IDS, "written")
    print(f"{name}: {size / MB:.1f} MB took {found.peak / MB:.0f} MB of memory")
    assert found.peak < SPARE_MEMORY + MEMORY_PER_BYTE * size
    assert_sound(valkey_store.client)


def reject(name: str) -> Any:
    raise AssertionError(f"{name} is not strict JSON")


def assert_sound(client: redis.Redis) -> None:
    """What is stored is strict JSON in strict UTF-8, within its ranges, under known keys."""
    assert unknown_keys(client) == set()
    assert verify(client, keys, MODEL, REGION_IDS, NOW) == {region: [] for region in REGION_IDS}
    for region in REGION_IDS:
        for body in bodies(client, indexed(client, region)):
            snapshot = json.loads(body.decode("utf-8"), parse_constant=reject)
            assert snapshot["region_id"] == region
            assert all(0 <= snapshot["balance"][axis] <= 1 for axis in AXES)
            assert len(snapshot["evidence"]) <= 30
            texts = [text for item in snapshot["evidence"] for text in item.values()]
            assert all(len(text) <= 506 for text in texts if isinstance(text, str))
        for entry in listed(client, keys.regime_history(region)):
            json.loads(entry.decode("utf-8"), parse_constant=reject)
    for alert in listed(client, keys.alert_queue):
        json.loads(alert.decode("utf-8"), parse_constant=reject)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_stay_texts(valkey_store: SnapshotStore, text: str) -> None:
    for turn, places in enumerate((False, True)):
        values = {
            key: json.dumps(spoilt(json.loads(value), text, places=places)).encode()
            for key, value in sample_values().items()
        }
        valkey_store.write_inputs(values)
        result = take_snapshots(valkey_store, REGION_IDS, NOW + turn, force=True)
        assert {region.outcome for region in result.regions} == {"written"}
        assert_sound(valkey_store.client)
        assert valkey_store.client.mget(list(values)) == list(values.values())


@pytest.mark.parametrize("text", [*HOSTILE, "mena ", "MENA", "mena\n", "x" * MB])
def test_hostile_regions_are_unknown(valkey_store: SnapshotStore, text: str) -> None:
    with pytest.raises(UnknownRegionError):
        take_snapshots(valkey_store, ["mena", text], NOW)
    assert valkey_store.client.dbsize() == 0


POINTERS = ["mena:latest", "\n*1\r\n$8\r\nFLUSHALL\r\n", "\x1b[31m\u202e", "x" * 5 * MB]


@pytest.mark.parametrize("text", POINTERS, ids=range(len(POINTERS)))
def test_a_hostile_pointer_is_replaced(store: SnapshotStore, text: str) -> None:
    store.write_inputs(sample_values())
    store.client.set(keys.latest("mena"), text)
    result = take_snapshots(store, REGION_IDS, NOW)
    assert result.failed == ()
    assert [r.region_id for r in result.regions if r.repaired] == ["mena"]
    agree: dict[str, list[str]] = {region: [] for region in REGION_IDS}
    assert verify(store.client, keys, MODEL, REGION_IDS, NOW) == agree


def test_a_pointer_that_is_no_text_fails_its_region_in_few_words(store: SnapshotStore) -> None:
    store.write_inputs(sample_values())
    pointer = "\ud800".encode("utf-8", "surrogatepass")
    store.client.set(keys.latest("mena"), pointer)
    result = take_snapshots(store, REGION_IDS, NOW)
    [failed] = result.failed
    assert failed.region_id == "mena"
    assert keys.latest("mena") in (failed.error or "")
    assert len(failed.error or "") < 2000
    assert (failed.error or "").isprintable()
    assert store.client.get(keys.latest("mena")) == pointer
    others = verify(store.client, keys, MODEL, REGION_IDS, NOW)
    assert [region for region, problems in others.items() if problems] == ["mena"]
    assert all(len(problem) < 2000 for problem in others["mena"])
