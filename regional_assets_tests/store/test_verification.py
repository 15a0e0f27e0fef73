"""`verify` sees what does not agree, and only that."""

import json
from collections.abc import Callable

import pytest
import redis

from regional_assets.intelligence.geography import REGION_IDS
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store import keys
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets.store.verification import verify
from regional_assets_tests.support.worlds import NOW, sample_values

IRAN = keys.observations("mena", "cii:IR:combined_score")


@pytest.fixture
def client(store: SnapshotStore) -> redis.Redis:
    store.write_inputs(sample_values())
    take_snapshots(store, REGION_IDS, NOW)
    store.client.delete("military:flights:v1")
    take_snapshots(store, REGION_IDS, NOW + 1000)
    return store.client


def latest(client: redis.Redis) -> str:
    found = client.get(keys.latest("mena"))
    assert isinstance(found, bytes)
    return found.decode()


def test_what_was_committed_agrees(client: redis.Redis) -> None:
    assert verify(client, REGION_IDS, NOW) == {region: [] for region in REGION_IDS}


def test_nothing_agrees_with_itself(store: SnapshotStore) -> None:
    assert verify(store.client, ["mena"], NOW) == {"mena": []}


def test_what_expires_leaves_no_false_alarm(client: redis.Redis) -> None:
    """Bodies and pointers expire; index and history stay until the next commit."""
    for key in client.scan_iter("intelligence:snapshot*:v1:mena:*"):
        if b"index" not in key:
            client.delete(key)
    for key in client.scan_iter("intelligence:snapshot-by-id:v1:*"):
        client.delete(key)
    later = NOW + 91 * keys.DAY * 1000
    assert verify(client, ["mena"], later) == {"mena": []}


def test_a_region_begun_anew_agrees(client: redis.Redis, store: SnapshotStore) -> None:
    client.delete(keys.latest("mena"))
    take_snapshots(store, ["mena"], NOW + 2000)
    assert verify(client, ["mena"], NOW) == {"mena": []}


def test_a_region_begun_anew_in_calm_agrees(client: redis.Redis, store: SnapshotStore) -> None:
    """A first calm snapshot is no regime change; the history goes on from there."""
    client.delete(keys.latest("mena"), *sample_values())
    take_snapshots(store, ["mena"], NOW + 2000)
    assert verify(client, ["mena"], NOW) == {"mena": []}
    store.write_inputs(sample_values())
    take_snapshots(store, ["mena"], NOW + 3000)
    assert client.llen(keys.regime_history("mena")) == 2
    assert verify(client, ["mena"], NOW) == {"mena": []}


def test_a_snapshot_of_the_future_is_reported(client: redis.Redis, store: SnapshotStore) -> None:
    take_snapshots(store, ["mena"], NOW + 600_000, force=True)
    assert verify(client, ["mena"], NOW + 300_000) == {"mena": []}
    [problem] = verify(client, ["mena"], NOW + 299_000)["mena"]
    assert "dated 301 s after this machine's clock" in problem


Damage = Callable[[redis.Redis], object]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda c: c.delete(keys.latest("mena")), "latest is absent, but"),
        (lambda c: c.set(keys.latest("mena"), "other"), "snapshot-by-id:v1:other is absent"),
        (lambda c: c.delete(keys.snapshot_by_id(latest(c))), "is absent"),
        (lambda c: c.set(keys.snapshot_by_id(latest(c)), "{"), "is not a snapshot"),
        (lambda c: c.delete(keys.snapshot_at("mena", NOW + 1000)), "is absent"),
        (lambda c: c.delete(keys.index("mena")), "does not hold"),
        (lambda c: c.zadd(keys.index("mena"), {"ghost": NOW}), "snapshot-by-id:v1:ghost is absent"),
        (lambda c: c.zadd(keys.index("mena"), {latest(c): NOW + 5}), "has another time"),
        (lambda c: c.lpush(keys.regime_history("mena"), "x"), "entry 0 is not a regime change"),
        (
            lambda c: c.lpush(
                keys.regime_history("mena"), json.dumps({"label": "calm", "previous_label": "x"})
            ),
            "ends at 'calm'",
        ),
        (
            lambda c: c.lpush(
                keys.regime_history("mena"),
                json.dumps({"label": "coercive_stalemate", "previous_label": "calm"}),
            ),
            "has a gap",
        ),
        (lambda c: (c.delete(keys.index("mena")), c.set(keys.index("mena"), 1)), "WRONGTYPE"),
        (lambda c: c.zadd(IRAN, {"x": NOW}), f"{IRAN} holds something else than observations"),
        (lambda c: c.zadd(IRAN, {f"{NOW}:1.0": NOW + 1}), "something else than observations"),
        (lambda c: (c.delete(IRAN), c.set(IRAN, 1)), f"{IRAN}: WRONGTYPE"),
    ],
)
def test_damage_is_named(client: redis.Redis, damage: Damage, said: str) -> None:
    damage(client)
    found = verify(client, REGION_IDS, NOW)
    assert said in "; ".join(found.pop("mena"))
    assert not any(found.values())
