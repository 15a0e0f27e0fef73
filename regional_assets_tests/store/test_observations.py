"""What trailing baselines are made of: kept with the commit, read with the read (SPEC 7)."""

import json
from typing import Any

import pytest

from regional_assets.intelligence.snapshot import Snapshot
from regional_assets.intelligence.world import World
from regional_assets.runs.snapshots import current_contents, take_snapshots
from regional_assets.store.commit import Duplicate, Written
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.built_in import REGION_IDS
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.worlds import KEY, NOW, snapshot_of, world_of

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
TRANSITS = "chokepoint:hormuz:transit_count"
HORMUZ = keys.observations("mena", TRANSITS)


def feeds(today: int) -> dict[str, Any]:
    return {
        "chokepoints": {"chokepoints": [{"id": "hormuz_strait"}]},
        "transit_summaries": {"summaries": {"hormuz_strait": {"todayTotal": today}}},
    }


def strait(now: int, today: int) -> World:
    return world_of(now, **feeds(today))


def write(store: SnapshotStore, today: int) -> None:
    store.write_inputs({KEY[name]: json.dumps(v).encode() for name, v in feeds(today).items()})


def observed(store: SnapshotStore) -> Any:
    return store.client.zrange(HORMUZ, 0, -1, withscores=True)


def test_a_commit_keeps_one_observation_per_metric(store: SnapshotStore) -> None:
    snapshot = snapshot_of(strait(NOW, 38), "mena")
    store.commit([snapshot])
    assert observed(store) == [(f"{NOW}:38.0".encode(), NOW)]
    kept = {key.decode() for key in store.client.scan_iter("intelligence:observations:*")}
    # The others' feeds are absent, so there is nothing to observe.
    assert kept == {
        HORMUZ,
        keys.observations("mena", "balance:mena:coercive_pressure"),
        keys.observations("mena", "oref:active_alerts_count"),
    }
    assert 30 * 86_400 - 5 <= store.client.ttl(HORMUZ) <= 30 * 86_400
    # Read back exactly, with the same read as all else.
    read = store.read(REGION_IDS).observed["hormuz_transit_drop"]
    assert read.observations == [(NOW, 38.0)]


def test_a_quarter_of_an_hour_apart_at_least(store: SnapshotStore) -> None:
    before: Snapshot | None = None
    for at in (0, 15 * MINUTE - 1, 15 * MINUTE, 31 * MINUTE):
        snapshot = snapshot_of(strait(NOW + at, 38), "mena", before, f"s{at}")
        assert store.commit([snapshot], force=True) == [Written(0, late=False)]
        before = snapshot
    # A late one, too.
    for at, late in ((-14 * MINUTE, True), (-DAY, True)):
        snapshot = snapshot_of(strait(NOW + at, 30), "mena", snapshot_id=f"late{at}")
        assert store.commit([snapshot], force=True) == [Written(0, late=late)]
    assert [at - NOW for _, at in observed(store)] == [-DAY, 0, 15 * MINUTE, 31 * MINUTE]


def test_thirty_days_are_kept(store: SnapshotStore) -> None:
    store.client.zadd(HORMUZ, {"a": NOW - 30 * DAY - 1, "b": NOW - 30 * DAY})
    store.commit([snapshot_of(strait(NOW, 38), "mena")])
    assert [member for member, _ in observed(store)] == [b"b", f"{NOW}:38.0".encode()]


def test_what_is_not_written_is_not_observed(store: SnapshotStore) -> None:
    first = snapshot_of(strait(NOW, 38), "mena", snapshot_id="first")
    store.commit([first])
    # The same content with another value of a metric that is no part of it.
    again = snapshot_of(strait(NOW + 20 * MINUTE, 39), "mena", first, "again")
    assert store.commit([again]) == [Duplicate(of="first")]
    assert len(observed(store)) == 1


def test_the_trigger_comes_alive_from_what_runs_have_kept(store: SnapshotStore) -> None:
    for n in range(8):
        write(store, 38 + n)
        take_snapshots(store, REGION_IDS, NOW + n * 6 * HOUR, force=True)
    write(store, 20)
    at = NOW + 8 * 6 * HOUR
    contents = current_contents(store, REGION_IDS, at)
    result = take_snapshots(store, REGION_IDS, at)
    active = {
        r.region_id: [p.template_id for p in r.snapshot.body.transmission_paths]
        for r in result.regions
        if r.snapshot and r.snapshot.body.transmission_paths
    }
    reached = ["mena", "east-asia", "europe", "south-asia"]
    assert active == {region: ["hormuz_blockade"] * 4 for region in reached}
    # A look ahead sees the same.
    assert {r.region_id: r.snapshot.content.digest for r in result.regions if r.snapshot} == {
        region: content.digest for region, content in contents.items()
    }


@pytest.mark.parametrize("spoilt", ["type", "spoilt", f"{NOW}:nan", f"{NOW}:1e999"])
def test_observations_that_cannot_be_read_are_not_no_observations(
    store: SnapshotStore, spoilt: str
) -> None:
    write(store, 38)
    if spoilt == "type":
        store.client.set(HORMUZ, "spoilt")
    else:
        store.client.zadd(HORMUZ, {spoilt: NOW})
    result = take_snapshots(store, REGION_IDS, NOW)
    [failed] = result.failed
    assert failed.region_id == "mena"
    assert "the observations before cannot be read" in (failed.error or "")
    assert HORMUZ in (failed.error or "")
    assert store.client.exists(keys.latest("mena")) == 0
    assert store.client.exists(keys.latest("europe")) == 1
