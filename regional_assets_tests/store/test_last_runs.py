"""What became of each region at its last attempt, on record in the store (SPEC 6.8)."""

import json
from typing import Any

import pytest

from regional_assets.errors import NoInputsError
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store.last_runs import LONGEST_REASON, LastRun, last_runs, record_failures
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.built_in import REGION_IDS
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.worlds import NOW, sample_values


def recorded(store: SnapshotStore) -> dict[str, LastRun]:
    stored: Any = store.client.hgetall(keys.last_runs)
    return last_runs(stored)


def test_written_then_found_unchanged(store: SnapshotStore) -> None:
    store.write_inputs(sample_values())
    take_snapshots(store, REGION_IDS, NOW, run_id="first")
    assert recorded(store) == dict.fromkeys(
        REGION_IDS, LastRun(NOW, "written", "first", succeeded_at=NOW)
    )
    take_snapshots(store, ["mena"], NOW + 1000, run_id="second")
    after = recorded(store)
    assert after["mena"] == LastRun(NOW + 1000, "duplicate", "second", succeeded_at=NOW + 1000)
    assert after["europe"].run_id == "first"
    assert store.client.ttl(keys.last_runs) == -1


def test_failures_and_the_success_after_them(store: SnapshotStore) -> None:
    store.write_inputs(sample_values())
    take_snapshots(store, REGION_IDS, NOW)
    latest = store.client.get(keys.latest("latam"))
    assert isinstance(latest, bytes)
    # What no run can compare with.
    store.client.delete(keys.latest("latam"))
    store.client.lpush(keys.latest("latam"), "x")
    for minute in (1, 2):
        take_snapshots(store, REGION_IDS, NOW + minute * 60_000, run_id=f"run {minute}")
    failed = recorded(store)["latam"]
    assert (failed.outcome, failed.run_id, failed.at) == ("failed", "run 2", NOW + 120_000)
    assert "WRONGTYPE" in failed.reason
    assert (failed.succeeded_at, failed.failing_since) == (NOW, NOW + 60_000)
    assert recorded(store)["mena"].outcome == "duplicate"
    store.client.delete(keys.latest("latam"))
    store.client.set(keys.latest("latam"), latest)
    take_snapshots(store, ["latam"], NOW + 180_000)
    again = recorded(store)["latam"]
    assert (again.outcome, again.reason, again.failing_since) == ("duplicate", "", None)


def test_a_reason_is_bounded(store: SnapshotStore) -> None:
    record_failures(store, NOW, "r", {"mena": "x" * 2_000_000})
    assert recorded(store)["mena"].reason == "x" * LONGEST_REASON


def test_no_input_at_all_fails_all_regions(store: SnapshotStore) -> None:
    with pytest.raises(NoInputsError):
        take_snapshots(store, ["mena", "global"], NOW, run_id="r")
    found = recorded(store)
    assert set(found) == {"mena", "global"}
    assert {run.outcome for run in found.values()} == {"failed"}
    assert "none of the 17 inputs" in found["mena"].reason


def test_an_older_attempt_says_nothing_over_a_newer_one(store: SnapshotStore) -> None:
    assert record_failures(store, NOW, "newer", {"mena": "new"}) == ""
    record_failures(store, NOW - 1, "older", {"mena": "old"})
    assert recorded(store)["mena"].run_id == "newer"
    # Except over one whose clock ran ahead.
    ahead = 10 * NOW
    record_failures(store, ahead, "ahead", {"mena": "ahead"})
    record_failures(store, NOW + 1, "now", {"mena": "now"})
    assert recorded(store)["mena"].run_id == "now"


@pytest.mark.parametrize("value", ["", "{", "[]", "1", '{"at": "x"}', '{"at": 1, "outcome": "?"}'])
def test_what_something_else_left_there_counts_for_nothing(
    store: SnapshotStore, value: str
) -> None:
    store.write_inputs(sample_values())
    store.client.hset(keys.last_runs, "mena", value)
    assert recorded(store) == {}
    take_snapshots(store, ["mena"], NOW)
    assert recorded(store)["mena"].outcome == "written"


def test_a_key_of_another_type_costs_the_record_alone(store: SnapshotStore) -> None:
    store.write_inputs(sample_values())
    store.client.set(keys.last_runs, "x")
    result = take_snapshots(store, REGION_IDS, NOW)
    assert result.failed == ()
    assert "WRONGTYPE" in result.unrecorded


def test_of_thousands_of_regions_each_message_records_its_own(store: SnapshotStore) -> None:
    reasons = {f"region-{n}": "away" for n in range(3_000)}
    record_failures(store, NOW, "r", reasons)
    assert len(recorded(store)) == 3_000
    assert json.loads(store.client.hget(keys.last_runs, "region-2999") or "")["reason"] == "away"
