"""Runs after a run of other versions: the region is written, nobody is told, and the next run
compares again (SPEC 5)."""

import json
from typing import Any

import pytest

from regional_assets.runs.snapshots import RegionResult, take_snapshots
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets.store.wire import encode
from regional_assets_tests.support.stored import bodies, latest_id, listed, put_body
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.versions import (
    OTHERS,
    of_versions,
    strange,
    very_strange,
    with_value,
    without,
)
from regional_assets_tests.support.worlds import (
    NOW,
    quiet_values,
    sample_values,
    sample_world,
    snapshot_of,
)
from regional_assets_tests.support.worlds import stored_body as stored_body_of

BODY = stored_body_of(snapshot_of(sample_world(), "mena"))
# One of each kind; the others are read without a store.
SOME = (
    *("without actors", "without triggers", "without balance.maritime_access", "without regime"),
    *("regime.label of 'serene'", "an axis for another", "without a region"),
    *("without narrative", "nothing but its versions"),
)
BODIES = dict(strange(BODY)) | dict(very_strange(BODY))


def take(store: SnapshotStore, now: int) -> RegionResult:
    [result] = take_snapshots(store, ["mena"], now).regions
    return result


def body_of(store: SnapshotStore, snapshot_id: str) -> dict[str, Any]:
    [body] = bodies(store.client, [snapshot_id])
    found: dict[str, Any] = json.loads(body)
    return found


def told(store: SnapshotStore) -> tuple[list[bytes], list[bytes]]:
    return listed(store.client, keys.alert_queue), listed(store.client, keys.regime_history("mena"))


def stored_as(store: SnapshotStore, what: str) -> tuple[str, dict[str, Any]]:
    """A region with a first snapshot, and the same as another version would have stored it: its id,
    and its body but for its versions."""
    store.write_inputs(sample_values())
    assert take(store, NOW).outcome == "written"
    snapshot_id = latest_id(store.client, "mena") or ""
    body = body_of(store, snapshot_id)
    return snapshot_id, (dict(strange(body)) | dict(very_strange(body)))[what]


@pytest.mark.parametrize("what", SOME)
@pytest.mark.parametrize("versions", ["a former scoring", "all to come", "no geography"])
def test_a_region_of_another_version_is_written_and_is_no_news(
    store: SnapshotStore, what: str, versions: str
) -> None:
    before, body = stored_as(store, what)
    put_body(store.client, "mena", before, encode(of_versions(body, **OTHERS[versions])))
    # Between the versions, what is stored is not damaged.
    assert store.verify(["mena"], NOW) == {"mena": []}
    was_told = told(store)
    store.write_inputs(quiet_values())
    result = take(store, NOW + 1)
    assert (result.outcome, result.error, result.alerts_queued) == ("written", None, 0)
    assert result.snapshot
    assert result.snapshot.previous_id == before
    assert told(store) == was_told
    found = body_of(store, result.snapshot.snapshot_id)
    assert found["meta"]["trigger_reason"] == "rescored"
    assert store.verify(["mena"], NOW + 1) == {"mena": []}

    # The same content is a duplicate; another one is compared, and told.
    assert take(store, NOW + 2).outcome == "duplicate"
    store.write_inputs(sample_values())
    after = take(store, NOW + 3)
    assert after.outcome == "written"
    assert after.snapshot
    assert after.snapshot.changes.rescored == ()
    assert after.snapshot.changes.trigger_reason == "regime_shift"
    [*_, entry] = map(json.loads, told(store)[1])
    assert (entry["previous_label"], entry["label"]) == ("calm", "coercive_stalemate")
    assert entry["snapshot_id"] == after.snapshot.snapshot_id
    assert store.verify(["mena"], NOW + 3) == {"mena": []}


@pytest.mark.parametrize("body", ['{"regime": 1}', '{"x": 1}'])
def test_a_snapshot_that_states_no_version_is_of_another(store: SnapshotStore, body: str) -> None:
    store.write_inputs(sample_values())
    store.client.set(keys.latest("mena"), "p")
    store.client.set(keys.snapshot_by_id("p"), body)
    result = take(store, NOW)
    assert (result.outcome, result.alerts_queued) == ("written", 0)
    assert result.snapshot
    assert body_of(store, result.snapshot.snapshot_id)["meta"]["trigger_reason"] == "rescored"
    assert told(store) == ([], [])


@pytest.mark.parametrize(
    "what", [name for name in SOME if name in dict(strange(BODY))] + ["without a region"]
)
def test_a_damaged_region_of_this_version_is_repaired(store: SnapshotStore, what: str) -> None:
    before, body = stored_as(store, what)
    put_body(store.client, "mena", before, encode(body))
    [*problems] = store.verify(["mena"], NOW + 1)["mena"]
    assert any(keys.snapshot_by_id(before) in problem for problem in problems)
    repaired(store, before)


def repaired(store: SnapshotStore, before: str) -> None:
    """The next run writes the region anew, tells nobody, and what is stored agrees."""
    was_told = told(store)
    result = take(store, NOW + 1)
    assert (result.outcome, result.repaired, result.error) == ("written", True, None)
    assert latest_id(store.client, "mena") != before
    assert body_of(store, result.stored_id or "")["meta"]["trigger_reason"] == "rescored"
    assert told(store) == was_told
    assert store.verify(["mena"], NOW + 1) == {"mena": []}
    assert take(store, NOW + 2).outcome == "duplicate"


@pytest.mark.parametrize("versions", ["a former scoring", "all to come", "none", "this"])
@pytest.mark.parametrize("what", ["whole", "without actors"])
def test_a_snapshot_of_another_region_is_repaired_whatever_its_version(
    store: SnapshotStore, what: str, versions: str
) -> None:
    before, body = stored_as(store, "without actors")
    if what == "whole":
        body = body_of(store, before)
    body = with_value(body, ("region_id",), "europe")
    put_body(store.client, "mena", before, encode(of_versions(body, **OTHERS.get(versions, {}))))
    problems = store.verify(["mena"], NOW + 1)["mena"]
    assert any(problem.startswith(keys.snapshot_by_id(before)) for problem in problems)
    repaired(store, before)


def test_verify_tells_another_snapshot_under_an_id_from_another_version(
    store: SnapshotStore,
) -> None:
    before, body = stored_as(store, "without actors")
    former = of_versions(body, scoring_version="1.1.0")
    put_body(store.client, "mena", before, encode(former))
    assert store.verify(["mena"], NOW) == {"mena": []}
    # Also when its index is gone, as after a run of the platform's earlier job.
    store.client.delete(keys.index("mena"))
    assert not any("is not a snapshot" in p for p in store.verify(["mena"], NOW)["mena"])
    store.client.zadd(keys.index("mena"), {before: NOW})
    swapped = with_value(former, ("meta", "snapshot_id"), "of-another")
    put_body(store.client, "mena", before, encode(swapped))
    assert any(
        p.startswith(keys.snapshot_by_id(before)) for p in store.verify(["mena"], NOW)["mena"]
    )
    # What states no version at all is damage as much as an earlier form.
    put_body(store.client, "mena", before, encode(without(body, ("meta",))))
    assert any(
        p.startswith(keys.snapshot_by_id(before)) for p in store.verify(["mena"], NOW)["mena"]
    )
