"""What the server refuses: one region's keys, or everything. A region that is refused fails with a
plain message that says what and where; nothing of it is written; the others are committed."""

import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from regional_assets.errors import StoreError
from regional_assets.runs.snapshots import RunResult, take_snapshots
from regional_assets.store.connection import connect
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets.store.verification import verify
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.own_servers import Server, program
from regional_assets_tests.support.servers import free_port
from regional_assets_tests.support.stored import bodies, indexed, should_be_told, told, unknown_keys
from regional_assets_tests.support.stores import keys, settings
from regional_assets_tests.support.waiting import eventually
from regional_assets_tests.support.worlds import NOW, content_of, sample_values, sample_world

OTHERS = [region for region in REGION_IDS if region != "mena"]


@pytest.fixture(params=["valkey", "redis"])
def server(request: pytest.FixtureRequest, folder: Path) -> Iterator[Server]:
    with Server(program(request.param), folder) as running:
        yield running


@pytest.fixture
def own_store(server: Server, folder: Path) -> Iterator[SnapshotStore]:
    configured = settings(server.url, folder, retries=1)
    with connect(configured) as client:
        opened = SnapshotStore(client, MODEL, configured)
        opened.write_inputs(sample_values())
        yield opened


def before_commit(
    store: SnapshotStore, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[], object]
) -> None:
    """Has `spoil` called once, between a run's read and its first commit."""
    commit = store.commit

    def spoilt_commit(*args: Any, **options: Any) -> Any:
        monkeypatch.setattr(store, "commit", commit)
        spoil()
        return commit(*args, **options)

    monkeypatch.setattr(store, "commit", spoilt_commit)


def errors(result: RunResult) -> dict[str, str]:
    return {region.region_id: region.error or "" for region in result.failed}


def assert_whole(client: redis.Redis) -> None:
    """Nothing is half done, and all is told that is stored."""
    assert verify(client, keys, MODEL, REGION_IDS, NOW) == {region: [] for region in REGION_IDS}
    for region in REGION_IDS:
        chain = [None, *bodies(client, indexed(client, region))]
        assert told(client, region) == should_be_told(region, chain)
    assert unknown_keys(client) == set()


def assert_all_refused_then_written(
    store: SnapshotStore, result: RunResult, words: str, repair: Callable[[], object]
) -> None:
    """Every region failed with these words; after the repair a run writes all of them."""
    found = errors(result)
    assert list(found) == list(REGION_IDS)
    assert all(words in error for error in found.values()), found
    repair()
    assert not store.client.exists(*(keys.latest(region) for region in REGION_IDS))
    again = take_snapshots(store, REGION_IDS, NOW + 1)
    assert [region.outcome for region in again.regions] == ["written"] * len(REGION_IDS)
    assert_whole(store.client)


OWN_KEYS = {
    "dedup": lambda: keys.dedup("mena", content_of(sample_world(), "mena").digest),
    "at its time": lambda: keys.snapshot_at("mena", NOW),
    "latest": lambda: keys.latest("mena"),
    "index": lambda: keys.index("mena"),
    "history": lambda: keys.regime_history("mena"),
    "observations": lambda: keys.observations("mena", "oref:active_alerts_count"),
}


@pytest.mark.parametrize("name", OWN_KEYS)
def test_a_key_of_a_wrong_type_fails_its_region_alone(store: SnapshotStore, name: str) -> None:
    store.write_inputs(sample_values())
    key = OWN_KEYS[name]()
    store.client.hset(key, "of a", "wrong type")
    [failed] = take_snapshots(store, REGION_IDS, NOW).failed
    assert failed.region_id == "mena"
    assert key in (failed.error or "")
    assert "WRONGTYPE" in (failed.error or "")
    if failed.snapshot:
        assert not store.client.exists(keys.snapshot_by_id(failed.snapshot.snapshot_id))
    store.client.delete(key)
    [repaired] = take_snapshots(store, ["mena"], NOW + 1).regions
    assert repaired.outcome == "written"
    assert_whole(store.client)


@pytest.mark.parametrize("key", [keys.alert_queue, "guard"])
def test_a_shared_key_of_a_wrong_type_fails_the_regions_that_need_it(
    store: SnapshotStore, key: str
) -> None:
    store.write_inputs(sample_values())
    result = take_snapshots(store, REGION_IDS, NOW)
    loud = {r.region_id for r in result.regions if r.snapshot and r.snapshot.alerts}
    guards = sorted(store.client.scan_iter("wm:notif:scan-dedup:*"))
    assert len(loud) >= 2
    key = key if key != "guard" else guards[0].decode()
    store.client.flushall()
    store.write_inputs(sample_values())
    store.client.hset(key, "of a", "wrong type")
    found = errors(take_snapshots(store, REGION_IDS, NOW))
    assert set(found) == loud if key == keys.alert_queue else len(found) == 1
    assert all(f"WRONGTYPE {key} holds a hash" in error for error in found.values())
    store.client.delete(key)
    assert not take_snapshots(store, list(found), NOW + 1).failed
    assert_whole(store.client)


@pytest.mark.parametrize(
    ("commands", "patterns"),
    [(["+@all", "-mget"], ["*"]), (["+@all", "-evalsha_ro"], ["*"]), (["+@all"], ["[^f]*"])],
)
def test_a_user_who_may_not_read_is_told_what_to_do(
    store: SnapshotStore, folder: Path, commands: list[str], patterns: list[str]
) -> None:
    store.client.acl_setuser("blind", enabled=True, nopass=True, commands=commands, keys=patterns)
    path = store.client.get_connection_kwargs()["path"]
    configured = settings(f"unix://blind:x@{path}", folder)
    try:
        with connect(configured) as client, pytest.raises(StoreError) as error:
            SnapshotStore(client, MODEL, configured).read(REGION_IDS)
    finally:
        store.client.acl_deluser("blind")
    assert re.fullmatch(
        r"Redis at unix://\S+ refuses: .*[nN]o permissions .+: `regional-assets "
        r"doctor` names the rights that this user lacks, `regional-assets acl` prints .+",
        str(error.value),
    )


def test_a_user_without_rights_on_one_regions_keys(store: SnapshotStore, folder: Path) -> None:
    store.write_inputs(sample_values())
    allowed = [f"~*{region}*" for region in OTHERS]
    store.client.acl_setuser(
        "partial",
        enabled=True,
        nopass=True,
        commands=["+@all"],
        keys=["%R~*", *allowed, "~wm:*", f"~{keys.snapshot_by_id('*')}"],
    )
    path = store.client.get_connection_kwargs()["path"]
    configured = settings(f"unix://partial:x@{path}", folder)
    try:
        with connect(configured) as client:
            result = take_snapshots(SnapshotStore(client, MODEL, configured), REGION_IDS, NOW)
    finally:
        store.client.acl_deluser("partial")
    [(region, error)] = errors(result).items()
    assert region == "mena"
    assert "permission" in error.lower()
    assert_whole(store.client)
    assert not take_snapshots(store, ["mena"], NOW + 1).failed
    assert_whole(store.client)


def test_no_memory(own_store: SnapshotStore) -> None:
    client = own_store.client
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", 1)
    result = take_snapshots(own_store, REGION_IDS, NOW)
    assert_all_refused_then_written(
        own_store,
        result,
        "'maxmemory': raise its maxmemory",
        lambda: client.config_set("maxmemory", 0),
    )


def test_memory_that_ends_in_the_middle(own_store: SnapshotStore) -> None:
    client = own_store.client
    take_snapshots(own_store, REGION_IDS, NOW)
    client.config_set("maxmemory-policy", "noeviction")
    client.delete(*client.scan_iter("wm:*"))
    # Snapshots of some 2 × 15 kB each are yet to come.
    client.config_set("maxmemory", client.info("memory")["used_memory"] + 150_000)
    result = take_snapshots(own_store, REGION_IDS, NOW + 1, force=True)
    found = errors(result)
    assert 0 < len(found) < len(REGION_IDS)
    assert all("raise its maxmemory" in error for error in found.values())
    for region in REGION_IDS:
        assert len(indexed(client, region)) == (1 if region in found else 2)
    client.config_set("maxmemory", 0)
    assert not any(verify(client, keys, MODEL, REGION_IDS, NOW).values())


def test_a_primary_that_becomes_a_replica(
    own_store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = own_store.client
    port = free_port()
    before_commit(own_store, monkeypatch, lambda: client.replicaof("127.0.0.1", port))
    result = take_snapshots(own_store, REGION_IDS, NOW)
    assert_all_refused_then_written(
        own_store,
        result,
        "read only replica: it is a replica: put the address of its primary",
        lambda: client.replicaof("NO", "ONE"),
    )


def test_a_replica_that_serves_no_stale_data(
    own_store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = own_store.client

    def become_replica() -> None:
        client.config_set("replica-serve-stale-data", "no")
        client.replicaof("127.0.0.1", free_port())

    become_replica()
    with pytest.raises(StoreError, match=r"refuses: .*Link with MASTER is down"):
        take_snapshots(own_store, REGION_IDS, NOW)
    client.replicaof("NO", "ONE")
    before_commit(own_store, monkeypatch, become_replica)
    result = take_snapshots(own_store, REGION_IDS, NOW)
    assert_all_refused_then_written(
        own_store,
        result,
        "is set to 'no': it is a replica",
        lambda: client.replicaof("NO", "ONE"),
    )


BALLAST = [f"ballast:{number}" for number in range(1000)]


def load_slowly(server: Server) -> None:
    """Restarts the server, which then loads its data for 20 s unless it is told to go on."""
    server.client.mset({key: os.urandom(1100) for key in BALLAST})
    server.client.save()
    server.kill()
    slow = ("--key-load-delay", "20000", "--loading-process-events-interval-bytes", "1024")
    server.start(*slow)


def go_on(server: Server) -> None:
    server.client.config_set("key-load-delay", 0)
    eventually(lambda: not server.client.info("persistence")["loading"])
    server.client.delete(*BALLAST)


def test_a_server_that_loads_its_data(server: Server, own_store: SnapshotStore) -> None:
    load_slowly(server)
    with pytest.raises(StoreError, match=r"is not ready .*loading the dataset in memory"):
        take_snapshots(own_store, REGION_IDS, NOW)
    go_on(server)
    assert not take_snapshots(own_store, REGION_IDS, NOW).failed
    assert_whole(own_store.client)


def test_a_server_that_loads_its_data_between_read_and_commit(
    server: Server, own_store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_commit(own_store, monkeypatch, lambda: load_slowly(server))
    result = take_snapshots(own_store, REGION_IDS, NOW)
    assert_all_refused_then_written(
        own_store, result, "run again when it is", lambda: go_on(server)
    )


@pytest.mark.parametrize("keeps", [True, False], ids=["with its data", "empty"])
def test_a_restart_between_read_and_commit(
    server: Server, own_store: SnapshotStore, monkeypatch: pytest.MonkeyPatch, keeps: bool
) -> None:
    """Restarts cost nothing; a server that comes back empty gets first snapshots."""
    take_snapshots(own_store, REGION_IDS, NOW - 1000)

    def restart() -> None:
        if keeps:
            server.client.save()
        server.kill()
        server.start()

    before_commit(own_store, monkeypatch, restart)
    result = take_snapshots(own_store, REGION_IDS, NOW, force=True)
    assert [region.outcome for region in result.regions] == ["written"] * len(REGION_IDS)
    for region in REGION_IDS:
        assert len(indexed(own_store.client, region)) == (2 if keeps else 1)
    assert_whole(own_store.client)


def test_a_server_busy_with_somebodys_script(server: Server, own_store: SnapshotStore) -> None:
    client = own_store.client
    client.config_set("lua-time-limit", 1)

    def loop() -> None:
        with pytest.raises(redis.ResponseError, match="killed"):
            server.client.eval("while true do end", 0)

    busy = threading.Thread(target=loop)
    busy.start()
    eventually(lambda: is_busy(client))
    with pytest.raises(StoreError, match=r"refuses: .*busy running a script"):
        take_snapshots(own_store, REGION_IDS, NOW)
    client.script_kill()
    busy.join()
    assert not take_snapshots(own_store, REGION_IDS, NOW).failed
    assert_whole(client)


def is_busy(client: redis.Redis) -> bool:
    try:
        client.ping()
    except redis.ResponseError:
        return True
    return False
