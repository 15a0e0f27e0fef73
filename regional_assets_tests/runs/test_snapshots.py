"""A whole run on a real server: isolation, previous snapshots, errors (SPEC 6)."""

import gc
import json
from typing import Any

import pytest

from regional_assets.errors import NoInputsError, UnknownRegionError
from regional_assets.intelligence import snapshot
from regional_assets.intelligence.timing import DAY_MS, HOUR_MS
from regional_assets.runs import snapshots as snapshot_run
from regional_assets.runs.snapshots import current_contents, take_snapshots
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets.store.verification import verify
from regional_assets_tests.support.built_in import COMPANION_KEYS, INPUT_KEYS, MODEL, REGION_IDS
from regional_assets_tests.support.stored import changed, dump, latest_id
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.worlds import NOW, sample_values

ALL_AGREE: dict[str, list[str]] = {region: [] for region in REGION_IDS}


def outcomes(store: SnapshotStore, now: int = NOW, **options: Any) -> dict[str, str]:
    return {
        r.region_id: r.outcome for r in take_snapshots(store, REGION_IDS, now, **options).regions
    }


def test_written_then_duplicate_then_changed(store: SnapshotStore) -> None:
    store.write_inputs(sample_values())
    assert set(outcomes(store).values()) == {"written"}
    result = take_snapshots(store, REGION_IDS, NOW + 1000)
    assert {r.outcome for r in result.regions} == {"duplicate"}
    for region in result.regions:
        assert region.duplicate_of == store.client.get(keys.latest(region.region_id)).decode()  # type: ignore[union-attr]
        assert region.stored_id == region.duplicate_of
    store.client.delete("military:flights:v1")
    assert set(outcomes(store, NOW + 2000).values()) == {"written"}
    assert verify(store.client, keys, MODEL, REGION_IDS, NOW) == ALL_AGREE


def test_ids_sort_by_time(store: SnapshotStore) -> None:
    store.write_inputs(sample_values())
    found = [
        take_snapshots(store, ["mena"], NOW + n, force=True).regions[0].stored_id or ""
        for n in range(5)
    ]
    assert found == sorted(found)
    assert len(set(found)) == 5


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "{}", "\x00", "null", '{"regime": {"label": "\\ud800"}}']
)
def test_a_previous_snapshot_that_cannot_be_parsed_is_written_anew(
    store: SnapshotStore, body: str
) -> None:
    store.write_inputs(sample_values())
    store.client.set(keys.latest("mena"), "p")
    store.client.set(keys.snapshot_by_id("p"), body)
    result = take_snapshots(store, REGION_IDS, NOW)
    assert result.failed == ()
    assert [r.region_id for r in result.regions if r.repaired] == ["mena"]
    assert store.client.get(keys.latest("mena")) != b"p"
    assert verify(store.client, keys, MODEL, REGION_IDS, NOW) == ALL_AGREE
    for alert in store.client.lrange(keys.alert_queue, 0, -1):
        assert json.loads(alert)["payload"]["region_id"] != "mena"


def test_a_previous_snapshot_of_a_wrong_type_is_that_regions_error(
    store: SnapshotStore,
) -> None:
    store.write_inputs(sample_values())
    store.client.set(keys.latest("mena"), "gone")
    store.client.lpush(keys.latest("latam"), "x")
    store.client.set(keys.latest("global"), "p")
    store.client.lpush(keys.snapshot_by_id("p"), "x")
    result = take_snapshots(store, REGION_IDS, NOW)
    errors = {r.region_id: r.error or "" for r in result.failed}
    # One that is gone is written anew.
    assert [r.region_id for r in result.regions if r.repaired] == ["mena"]
    assert set(errors) == {"latam", "global"}
    assert keys.latest("latam") in errors["latam"]
    assert "WRONGTYPE" in errors["latam"]
    assert keys.snapshot_by_id("p") in errors["global"]


def damage(store: SnapshotStore, how: str) -> None:
    name = keys.snapshot_by_id(latest_id(store.client, "mena") or "")
    if how == "deleted":
        store.client.delete(name)
    elif how == "cut":
        store.client.set(name, (store.client.get(name) or b"")[:-9])
    elif how == "of another region":
        other = keys.snapshot_by_id(latest_id(store.client, "europe") or "")
        store.client.copy(other, name, replace=True)
    elif how == "a list":
        store.client.delete(name)
        store.client.lpush(name, "x")
    else:
        store.client.delete(keys.index("mena"))
        store.client.delete(keys.regime_history("mena"))


@pytest.mark.parametrize("how", ["deleted", "cut", "of another region", "a list", "no index"])
@pytest.mark.parametrize("changed", [False, True])
def test_what_readers_cannot_read_is_no_duplicate(
    store: SnapshotStore, how: str, changed: bool
) -> None:
    store.write_inputs(sample_values())
    take_snapshots(store, REGION_IDS, NOW)
    alerts = store.client.llen(keys.alert_queue)
    history = store.client.lrange(keys.regime_history("mena"), 0, -1)
    damage(store, how)
    assert verify(store.client, keys, MODEL, REGION_IDS, NOW)["mena"] != []
    if changed:
        store.client.delete("military:flights:v1")
    result = take_snapshots(store, REGION_IDS, NOW + 1000)
    [mena] = [r for r in result.regions if r.region_id == "mena"]
    assert (mena.outcome, mena.repaired) == ("written", True)
    assert {r.repaired for r in result.regions if r is not mena} == {False}
    assert store.client.llen(keys.alert_queue) == alerts
    assert store.client.lrange(keys.regime_history("mena"), 0, -1) == history
    assert store.client.zcard(keys.index("mena")) == 2
    assert verify(store.client, keys, MODEL, REGION_IDS, NOW) == ALL_AGREE
    again = take_snapshots(store, REGION_IDS, NOW + 2000)
    assert {r.outcome for r in again.regions} == {"duplicate"}


def test_a_balance_that_fails_is_the_failure_of_its_region_alone(
    store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although triggers read it for all regions."""
    store.write_inputs(sample_values())
    weighed = snapshot.weighed  # type: ignore[attr-defined]

    def breaking(world: Any, region: str) -> Any:
        if region == "mena":
            raise ZeroDivisionError("a bug")
        return weighed(world, region)

    monkeypatch.setattr(snapshot, "weighed", breaking)
    assert set(current_contents(store, REGION_IDS, NOW)) == set(REGION_IDS) - {"mena"}
    result = take_snapshots(store, REGION_IDS, NOW)
    assert [(r.region_id, r.error) for r in result.failed] == [("mena", "ZeroDivisionError: a bug")]


def test_an_exception_in_one_region_stays_there(
    store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write_inputs(sample_values())
    region_content = snapshot_run.region_content  # type: ignore[attr-defined]

    def breaking(assessment: Any, region: str) -> Any:
        if region == "europe":
            raise ZeroDivisionError("a bug")
        return region_content(assessment, region)

    monkeypatch.setattr(snapshot_run, "region_content", breaking)
    result = take_snapshots(store, REGION_IDS, NOW)
    assert [(r.region_id, r.error) for r in result.failed] == [
        ("europe", "ZeroDivisionError: a bug")
    ]


def test_two_runs_that_read_the_same_moment(
    store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the read and the commit of one run, another commits something else."""
    store.write_inputs(sample_values())
    commit = store.commit
    interfered: list[bool] = []

    def late_commit(*args: Any, **options: Any) -> Any:
        if not interfered:
            interfered.append(True)
            monkeypatch.setattr(store, "commit", commit)
            store.client.delete("military:flights:v1")
            take_snapshots(store, REGION_IDS, NOW - 1)
            monkeypatch.setattr(store, "commit", late_commit)
        return commit(*args, **options)

    monkeypatch.setattr(store, "commit", late_commit)
    result = take_snapshots(store, REGION_IDS, NOW)
    assert {r.outcome for r in result.regions} == {"written"}
    # It compared again, with what the other wrote: one regime change, not two.
    assert store.client.llen(keys.regime_history("mena")) == 1
    assert store.client.llen(keys.alert_queue) == len(
        {json.loads(a)["payload"]["title"] for a in store.client.lrange(keys.alert_queue, 0, -1)}
    )
    for region in result.regions:
        assert region.snapshot
        assert region.snapshot.previous_id
    assert verify(store.client, keys, MODEL, REGION_IDS, NOW) == ALL_AGREE


def test_an_unknown_region_is_an_error_before_any_work(store: SnapshotStore) -> None:
    store.write_inputs(sample_values())
    with pytest.raises(UnknownRegionError, match="atlantis"):
        take_snapshots(store, ["mena", "atlantis"], NOW)
    assert not store.client.exists(keys.latest("mena"))


@pytest.mark.parametrize("key", [*INPUT_KEYS, *COMPANION_KEYS])
def test_an_input_of_a_wrong_type_or_content_fails_no_region(
    valkey_store: SnapshotStore, key: str
) -> None:
    valkey_store.write_inputs(sample_values())
    valkey_store.client.delete(key)
    valkey_store.client.hset(key, "a", "b")
    assert "failed" not in outcomes(valkey_store, NOW).values()
    for number, value in enumerate([b"\xff\x00{", json.dumps({"a": "x" * 2_000_000}).encode()], 1):
        valkey_store.client.set(key, value)
        assert "failed" not in outcomes(valkey_store, NOW + number).values()


def test_a_store_without_any_input_is_not_published_as_peace(store: SnapshotStore) -> None:
    with pytest.raises(NoInputsError, match="none of the 17 inputs is there"):
        outcomes(store)
    assert store.client.keys("*") == [keys.last_runs.encode()]
    store.write_inputs(sample_values())
    outcomes(store)
    store.client.delete(*sample_values())
    assert set(outcomes(store, NOW + HOUR_MS).values()) == {"written"}
    before = dump(store.client)
    with pytest.raises(NoInputsError, match="nor held from before"):
        outcomes(store, NOW + 31 * DAY_MS)
    assert changed(store.client, before) == {keys.last_runs}


@pytest.mark.parametrize("collecting", [True, False])
def test_the_garbage_collector_rests_for_the_run_and_is_left_as_it_was(
    store: SnapshotStore, monkeypatch: pytest.MonkeyPatch, collecting: bool
) -> None:
    seen: list[bool] = []

    store.write_inputs(sample_values())
    commit = store.commit

    def watched(*args: Any, **options: Any) -> Any:
        seen.append(gc.isenabled())
        return commit(*args, **options)

    monkeypatch.setattr(store, "commit", watched)
    try:
        if not collecting:
            gc.disable()
        take_snapshots(store, ["mena"], NOW)
        assert (seen, gc.isenabled()) == ([False], collecting)
        with pytest.raises(UnknownRegionError):
            take_snapshots(store, ["atlantis"], NOW)
        assert gc.isenabled() is collecting
    finally:
        gc.enable()
