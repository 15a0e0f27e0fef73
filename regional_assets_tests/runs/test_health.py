"""Whether all is well, as the store has it on record (SPEC 6.9)."""

from typing import Any

import pytest

from regional_assets.errors import StoreError
from regional_assets.intelligence.timing import HOUR_MS, YOUNG_MS
from regional_assets.runs.health import OLD_RECORD_MS, Health, iso, judge
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store.health import (
    HealthRecord,
    Problem,
    drop_records,
    read_health,
    write_record,
)
from regional_assets.store.last_runs import record_failures
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.built_in import REGION_IDS
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.worlds import NOW, sample_values


def health(store: SnapshotStore, now: int = NOW) -> Health:
    return judge(read_health(store), REGION_IDS, now)


def what(found: Health) -> list[str]:
    return [problem.what for problem in found.problems]


@pytest.fixture
def written(store: SnapshotStore) -> SnapshotStore:
    store.write_inputs(sample_values())
    take_snapshots(store, REGION_IDS, NOW)
    return store


def test_an_empty_store_is_down(store: SnapshotStore) -> None:
    found = health(store)
    assert found.status == "down"
    assert what(found) == [
        "mena, east-asia, europe, north-america, south-asia and 3 more: no snapshot"
    ]
    assert {(r.age_s, r.last_outcome, r.stale) for r in found.regions.values()} == {
        (None, None, True)
    }


def test_all_is_well_until_it_is_stale(written: SnapshotStore) -> None:
    found = health(written, NOW + 90_000)
    assert (found.status, found.problems) == ("ok", [])
    assert {(r.age_s, r.last_outcome) for r in found.regions.values()} == {(90, "written")}
    assert health(written, NOW + YOUNG_MS - 1).status == "ok"
    old = health(written, NOW + YOUNG_MS)
    assert old.status == "down"
    [problem] = old.problems
    assert "neither written nor confirmed for 12 hours" in problem.what
    assert problem.since == iso(NOW)


def test_one_stale_region_degrades(written: SnapshotStore) -> None:
    later = NOW + YOUNG_MS
    take_snapshots(written, [r for r in REGION_IDS if r != "latam"], later)
    found = health(written, later)
    assert found.status == "degraded"
    [problem] = found.problems
    assert problem.what == "latam: neither written nor confirmed for 12 hours"
    assert problem.advice == "regional-assets run latam"
    assert [region for region, one in found.regions.items() if one.stale] == ["latam"]


def test_a_failing_region_says_since_when_and_why(written: SnapshotStore) -> None:
    for hours in (1, 2):
        record_failures(written, NOW + hours * HOUR_MS, "r", {"europe": "no room"})
    found = health(written, NOW + 3 * HOUR_MS)
    assert found.status == "degraded"
    [problem] = found.problems
    assert (problem.what, problem.since) == ("europe: failed: no room", iso(NOW + HOUR_MS))
    europe = found.regions["europe"]
    assert (europe.age_s, europe.last_outcome, europe.stale) == (3 * 3600, "failed", False)
    assert europe.failing_since == iso(NOW + HOUR_MS)


def test_a_store_of_before_there_were_last_runs(written: SnapshotStore) -> None:
    written.client.delete(keys.last_runs)
    assert {r.age_s for r in health(written, NOW + 1000).regions.values()} == {1}
    # Nor was there a confirmation, before this project.
    written.client.delete(*map(keys.confirmed, REGION_IDS))
    found = health(written, NOW + 2000)
    assert (found.status, {r.age_s for r in found.regions.values()}) == ("ok", {2})


def test_a_confirmation_from_the_future_is_none(written: SnapshotStore) -> None:
    take_snapshots(written, ["mena"], NOW + 24 * HOUR_MS, force=True)
    assert health(written, NOW + HOUR_MS).regions["mena"].age_s is None


def test_what_watchers_saw(written: SnapshotStore) -> None:
    problem = Problem("six_hourly has not ticked", iso(NOW), "start the daemon")
    record = HealthRecord(NOW, [problem], {"stress_index": "fresh"}, NOW)
    write_record(written, "daemon", record)
    found = health(written, NOW + OLD_RECORD_MS)
    assert (found.status, list(found.problems)) == ("degraded", [problem])
    assert found.inputs == {"stress_index": "fresh"}
    gone = health(written, NOW + OLD_RECORD_MS + 1)
    assert what(gone) == ["the daemon has given no sign of life for 1.5 min"]
    drop_records(written)
    assert health(written).status == "ok"


@pytest.mark.parametrize("value", ["", "{", "[1]", '{"at": "x"}', '{"at": 1, "problems": 3}'])
def test_a_record_that_cannot_be_read_counts_for_nothing(
    written: SnapshotStore, value: Any
) -> None:
    written.client.hset(keys.health, "daemon", value)
    assert health(written).status == "ok"


def test_keys_of_other_types(written: SnapshotStore) -> None:
    written.client.delete(keys.last_runs)
    written.client.set(keys.last_runs, "x")
    written.client.set(keys.health, "x")
    assert health(written).status == "ok"
    with pytest.raises(StoreError, match="WRONGTYPE"):
        write_record(written, "daemon", HealthRecord(NOW))
