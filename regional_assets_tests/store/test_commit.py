"""One region's commit: all of it or nothing, once, in the order of time (SPEC 6)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis
from msgspec.structs import replace

from regional_assets.intelligence.snapshot import Snapshot, complete
from regional_assets.store.commit import Duplicate, Refused, Superseded, Written
from regional_assets.store.connection import connect
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets.store.verification import verify
from regional_assets.store.wire import encode
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.proxy import proxy
from regional_assets_tests.support.stored import changed, dump
from regional_assets_tests.support.stores import keys, settings
from regional_assets_tests.support.worlds import (
    NOW,
    as_previous,
    calm,
    content_of,
    sample_world,
    snapshot_of,
    snapshots_of,
)

MINUTE = 60_000


def test_what_a_commit_writes(store: SnapshotStore) -> None:
    snapshot = snapshots_of(sample_world())["mena"]
    store.client.set(keys.live("mena"), "old")
    assert store.commit([snapshot]) == [Written(alerts_queued=4, late=False)]
    client, id = store.client, snapshot.snapshot_id

    body = encode(snapshot.body)
    assert client.get("intelligence:snapshot:v1:mena:latest") == id.encode()
    assert client.get(f"intelligence:snapshot-by-id:v1:{id}") == body
    assert client.get(f"intelligence:snapshot:v1:mena:{NOW}") == body
    assert client.get("intelligence:snapshot-confirmed:v1:mena") == str(NOW).encode()
    assert client.zrange("intelligence:snapshot-index:v1:mena", 0, -1, withscores=True) == [
        (id.encode(), NOW)
    ]
    assert client.get(f"dedup:snapshot:v1:mena:{snapshot.content.digest}") == id.encode()
    assert client.exists("intelligence:snapshot:v1:mena:live") == 0
    [entry] = client.lrange("intelligence:regime-history:v1:mena", 0, -1)
    assert entry == encode(snapshot.history_entry)
    assert client.llen("wm:events:queue") == 4
    guards = list(client.scan_iter("wm:notif:scan-dedup:regional_*"))
    assert len(guards) == 4

    day = 86_400
    for key, expiry in {
        keys.latest("mena"): 90 * day,
        keys.snapshot_by_id(id): 90 * day,
        keys.snapshot_at("mena", NOW): 90 * day,
        keys.confirmed("mena"): 90 * day,
        keys.dedup("mena", snapshot.content.digest): 900,
        guards[0]: 21_600,
        keys.index("mena"): -1,
        keys.regime_history("mena"): -1,
        keys.alert_queue: -1,
    }.items():
        left = client.ttl(key)
        assert expiry - 5 <= left <= expiry, key


def test_the_same_content_is_written_once(store: SnapshotStore) -> None:
    first = snapshot_of(sample_world(), "mena", snapshot_id="one")
    second = snapshot_of(sample_world(), "mena", first, "two")
    store.commit([first])
    before = dump(store.client)
    assert store.commit([second]) == [Duplicate(of="one")]
    assert dump(store.client) == before
    assert store.commit([second], force=True) == [Written(alerts_queued=0, late=False)]
    assert store.client.get(keys.latest("mena")) == b"two"


def test_a_duplicate_writes_the_time_of_its_confirmation_and_nothing_else(
    store: SnapshotStore,
) -> None:
    first = snapshot_of(calm(NOW), "mena", snapshot_id="one")
    store.commit([first])
    before = dump(store.client)
    later = snapshot_of(calm(NOW + MINUTE), "mena", first, "later")
    assert store.commit([later]) == [Duplicate(of="one")]
    assert changed(store.client, before) == {keys.confirmed("mena")}
    assert store.client.get(keys.confirmed("mena")) == str(NOW + MINUTE).encode()


def test_changed_content_is_always_written_and_a_b_a_writes_three(store: SnapshotStore) -> None:
    worlds = [calm(NOW, 0), calm(NOW + 1, 1), calm(NOW + 2, 0)]
    before = None
    for number, world in enumerate(worlds):
        snapshot = snapshot_of(world, "mena", before, f"s{number}")
        assert store.commit([snapshot]) == [Written(0, late=False)]
        before = snapshot
    assert store.client.zcard(keys.index("mena")) == 3
    again = snapshot_of(calm(NOW + 3, 0), "mena", before, "s3")
    assert store.commit([again]) == [Duplicate(of="s2")]


def test_a_commit_that_is_sent_again_answers_written(store: SnapshotStore) -> None:
    snapshot = snapshots_of(sample_world())["mena"]
    store.commit([snapshot])
    before = dump(store.client)
    assert store.commit([snapshot]) == [Written(alerts_queued=None, late=False)]
    assert dump(store.client) == before


@pytest.mark.parametrize("server_url", ["valkey", "redis"], indirect=True)
def test_a_lost_reply_is_repaired_by_the_client(server_url: str, folder: Path) -> None:
    with redis.Redis.from_url(server_url) as client:
        client.flushall()
    snapshots = list(snapshots_of(sample_world()).values())
    with proxy(folder, server_url) as between:
        configured = settings(between.url, folder)
        store = SnapshotStore(connect(configured), MODEL, configured)
        store.read(REGION_IDS)
        store.commit(snapshots[:1])
        between.lose_replies = 2
        replies = store.commit(snapshots[1:])
        store.client.close()
        assert all(isinstance(reply, Written) for reply in replies)
        assert between.connections == 3
    with redis.Redis.from_url(server_url) as client:
        expected = sum(len(s.alerts) for s in snapshots)
        assert client.llen(keys.alert_queue) == expected
        assert [client.zcard(keys.index(r)) for r in REGION_IDS] == [1] * len(REGION_IDS)


WRONG: dict[str, Callable[[redis.Redis, str], object]] = {
    "string": lambda client, key: client.set(key, "wrong"),
    "list": lambda client, key: client.lpush(key, "wrong"),
    "hash": lambda client, key: client.hset(key, "wrong", "wrong"),
    "zset": lambda client, key: client.zadd(key, {"wrong": 1}),
}


def touched_keys(snapshot: Snapshot) -> dict[str, str]:
    """Every key a commit needs of one type: key → that type."""
    region = snapshot.content.region_id
    strings = [
        keys.dedup(region, snapshot.content.digest),
        keys.snapshot_at(region, snapshot.body.generated_at),
        keys.snapshot_by_id(snapshot.snapshot_id),
        keys.latest(region),
        keys.confirmed(region),
        keys.latest_body(region),
        *(keys.alert_guard(a.eventType, a.guard_hash) for a in snapshot.alerts),
    ]
    lists = [keys.regime_history(region), keys.alert_queue]
    zsets = [keys.index(region), *(keys.observations(region, m) for m in snapshot.observations)]
    return (
        dict.fromkeys(strings, "string")
        | dict.fromkeys(lists, "list")
        | dict.fromkeys(zsets, "zset")
    )


@pytest.mark.parametrize("position", range(18))
def test_a_key_of_a_wrong_type_leaves_no_trace(store: SnapshotStore, position: int) -> None:
    snapshot = snapshots_of(sample_world())["mena"]
    touched = touched_keys(snapshot)
    assert len(touched) == 18
    key, need = list(touched.items())[position]
    for held, spoil in WRONG.items():
        if held == need:
            continue
        store.client.flushall()
        spoil(store.client, key)
        before = dump(store.client)
        [reply] = store.commit([snapshot])
        assert isinstance(reply, Refused)
        assert reply.error == (
            f"WRONGTYPE {store.keys.prefix}{key} holds a {held} where a {need} belongs; "
            "nothing was written"
        )
        assert dump(store.client) == before


def test_a_region_that_fails_fails_alone(store: SnapshotStore) -> None:
    store.client.set(keys.index("europe"), "wrong")
    snapshots = snapshots_of(sample_world())
    replies = dict(zip(snapshots, store.commit(snapshots.values()), strict=True))
    refused = replies.pop("europe")
    assert isinstance(refused, Refused)
    assert keys.index("europe") in refused.error
    assert all(isinstance(reply, Written) for reply in replies.values())
    assert not store.client.exists(keys.latest("europe"))


def test_a_server_out_of_memory_writes_nothing(store: SnapshotStore) -> None:
    snapshots = list(snapshots_of(sample_world()).values())
    store.commit(snapshots[:1])  # the script is known
    before = dump(store.client)
    limit = store.client.config_get("maxmemory")["maxmemory"]
    store.client.config_set("maxmemory", 1)
    try:
        replies = store.commit(snapshots[1:])
    finally:
        store.client.config_set("maxmemory", limit or 0)
    assert all(isinstance(r, Refused) and "maxmemory" in r.error for r in replies)
    assert dump(store.client) == before


def test_latest_never_moves_back(store: SnapshotStore) -> None:
    early = snapshot_of(calm(NOW, 30), "mena", snapshot_id="early")
    late = snapshot_of(calm(NOW + MINUTE, 0), "mena", snapshot_id="newer")
    store.commit([late])
    assert store.commit([early]) == [Written(0, late=True)]
    assert store.client.get(keys.latest("mena")) == b"newer"
    assert store.client.get(keys.snapshot_by_id("early")) == encode(early.body)
    assert store.client.zrange(keys.index("mena"), 0, -1) == [b"early", b"newer"]
    assert verify(store.client, keys, MODEL, ["mena"], NOW) == {"mena": []}
    # Its content is not what the region's latest says, so it stands for no duplicate.
    assert not store.client.exists(keys.dedup("mena", early.content.digest))


def test_latest_does_not_move_back_when_the_index_has_lost_it(store: SnapshotStore) -> None:
    store.commit([snapshot_of(calm(NOW + MINUTE), "mena", snapshot_id="newer")])
    store.client.delete(keys.index("mena"))
    assert store.commit([snapshot_of(calm(NOW, 9), "mena", snapshot_id="early")]) == [
        Written(0, late=True)
    ]
    assert store.client.get(keys.latest("mena")) == b"newer"


def test_a_latest_whose_age_nothing_tells_has_to_be_compared_with(store: SnapshotStore) -> None:
    """Its own key is declared once a run has compared with it."""
    store.commit([snapshot_of(calm(NOW + MINUTE), "mena", snapshot_id="newer")])
    store.client.delete(keys.index("mena"), keys.latest_body("mena"))
    early = snapshot_of(calm(NOW, 9), "mena", snapshot_id="early")
    assert store.commit([early]) == [Superseded()]
    assert store.commit([replace(early, previous_id="newer")]) == [Written(0, late=True)]
    assert store.client.get(keys.latest("mena")) == b"newer"
    assert not store.client.exists(keys.latest_body("mena"))


@pytest.mark.parametrize("server_url", ["valkey", "redis"], indirect=True)
@pytest.mark.parametrize(
    "denied", ["set", "copy", "lpush", "ltrim", "zadd", "zremrangebyscore", "del"]
)
def test_a_user_who_may_not_do_all_of_it_does_nothing(
    store: SnapshotStore, folder: Path, denied: str
) -> None:
    snapshot = snapshots_of(sample_world())["mena"]
    store.client.acl_setuser(
        "limited", enabled=True, nopass=True, keys=["*"], commands=["+@all", f"-{denied}"]
    )
    path = store.client.get_connection_kwargs()["path"]
    configured = settings(f"unix://limited:x@{path}", folder)
    limited = SnapshotStore(connect(configured), MODEL, configured)
    before = dump(store.client)
    [reply] = limited.commit([snapshot])
    limited.client.close()
    store.client.acl_deluser("limited")
    assert isinstance(reply, Refused)
    assert f"this user may not {denied.upper()} " in reply.error
    assert dump(store.client) == before


def test_a_late_snapshot_changes_nothing_that_readers_were_told(store: SnapshotStore) -> None:
    store.commit([snapshot_of(calm(NOW + MINUTE), "mena", snapshot_id="newer")])
    [reply] = store.commit([snapshot_of(sample_world(NOW), "mena", snapshot_id="late")])
    assert reply == Written(0, late=True)
    assert store.client.llen(keys.alert_queue) == 0
    assert store.client.llen(keys.regime_history("mena")) == 0


def test_a_snapshot_compared_with_one_that_is_no_longer_latest_is_not_written(
    store: SnapshotStore,
) -> None:
    first = snapshot_of(calm(NOW, 0), "mena", snapshot_id="first")
    other = snapshot_of(calm(NOW + 1, 1), "mena", first, "other")
    mine = snapshot_of(calm(NOW + 2, 2), "mena", first, "mine")
    store.commit([first])
    store.commit([other])
    before = dump(store.client)
    assert store.commit([mine]) == [Superseded()]
    assert dump(store.client) == before
    again = complete(mine.content, as_previous(other), "mine")
    assert store.commit([again]) == [Written(0, late=False)]


def test_alerts_are_guarded_for_six_hours(store: SnapshotStore) -> None:
    first = snapshots_of(sample_world())["mena"]
    store.commit([first])
    store.client.delete(keys.latest("mena"))
    again = snapshots_of(sample_world(NOW + 1), prefix="again")["mena"]
    assert store.commit([again], force=True) == [Written(alerts_queued=0, late=False)]
    assert store.client.llen(keys.alert_queue) == 4


def test_the_history_keeps_a_hundred_and_the_index_ninety_days(store: SnapshotStore) -> None:
    store.client.rpush(keys.regime_history("mena"), *["{}"] * 100)
    day = 86_400_000
    store.client.zadd(keys.index("mena"), {"old": NOW - 90 * day - 1, "kept": NOW - 90 * day})
    store.commit([snapshots_of(sample_world())["mena"]])
    assert store.client.llen(keys.regime_history("mena")) == 100
    assert store.client.zrange(keys.index("mena"), 0, -1) == [b"kept", b"s-mena"]


def test_every_key_a_commit_touches_is_declared(store: SnapshotStore) -> None:
    """An undeclared key would be invisible to a cluster and to the reader of the script."""
    snapshot = snapshots_of(sample_world())["mena"]
    store.commit([snapshot])
    declared = {*touched_keys(snapshot), keys.live("mena")}
    assert {key.decode() for key in store.client.scan_iter()} <= declared


def test_the_same_content_by_many_at_once_is_written_once(store: SnapshotStore) -> None:
    snapshots = [snapshot_of(sample_world(), "mena", snapshot_id=f"s{n}") for n in range(50)]
    with ThreadPoolExecutor(10) as pool:
        replies = [r for found in pool.map(lambda s: store.commit([s]), snapshots) for r in found]
    assert sum(isinstance(r, Written) for r in replies) == 1
    assert sum(isinstance(r, Duplicate) for r in replies) == 49
    assert store.client.llen(keys.alert_queue) == 4
    assert store.client.llen(keys.regime_history("mena")) == 1
    assert content_of(sample_world(), "mena").digest == snapshots[0].content.digest
