"""`verify` sees what does not agree, and only that."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import redis

from regional_assets.runs.clock import current_time
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store import verification
from regional_assets.store.keys import DAY, REGIME_HISTORY_LENGTH, SNAPSHOT_EXPIRY
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets.store.verification import verify
from regional_assets.store.wire import encode
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.stored import put_body
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.worlds import NOW, quiet_values, sample_values

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
    assert verify(client, keys, MODEL, REGION_IDS, NOW) == {region: [] for region in REGION_IDS}


@pytest.mark.parametrize("server_url", ["valkey"], indirect=True)
def test_nothing_agrees_with_itself(store: SnapshotStore) -> None:
    """For a user who may look through all keys."""
    assert store.verify(["mena"], NOW) == {"mena": []}


@pytest.mark.parametrize("server_url", ["redis", "cluster"], indirect=True)
def test_lost_snapshots_are_hidden_from_a_user_without_scan(store: SnapshotStore) -> None:
    """The writer that `regional-assets acl` makes."""
    store.write_inputs(sample_values())
    take_snapshots(store, ["europe"], NOW)
    found = store.verify(["mena", "europe"], NOW)
    assert found["europe"] == []
    [problem] = found["mena"]
    assert problem.startswith("nothing stored, and this user may not look for snapshots without a ")


def test_what_expires_leaves_no_false_alarm(client: redis.Redis) -> None:
    """Bodies and pointers expire; index and history stay until the next commit."""
    for key in client.scan_iter("intelligence:snapshot*:v1:mena:*"):
        if b"index" not in key:
            client.delete(key)
    for key in client.scan_iter("intelligence:snapshot-by-id:v1:*"):
        client.delete(key)
    later = NOW + 91 * DAY * 1000
    assert verify(client, keys, MODEL, ["mena"], later) == {"mena": []}


def test_a_region_begun_anew_agrees(client: redis.Redis, store: SnapshotStore) -> None:
    client.delete(keys.latest("mena"))
    take_snapshots(store, ["mena"], NOW + 2000)
    assert verify(client, keys, MODEL, ["mena"], NOW) == {"mena": []}


def test_a_region_begun_anew_in_calm_agrees(client: redis.Redis, store: SnapshotStore) -> None:
    """A first calm snapshot is no regime change; the history goes on from there."""
    client.delete(keys.latest("mena"), *sample_values())
    take_snapshots(store, ["mena"], NOW + 2000)
    assert verify(client, keys, MODEL, ["mena"], NOW) == {"mena": []}
    store.write_inputs(sample_values())
    take_snapshots(store, ["mena"], NOW + 3000)
    assert client.llen(keys.regime_history("mena")) == 2
    assert verify(client, keys, MODEL, ["mena"], NOW) == {"mena": []}


def test_a_snapshot_of_the_future_is_reported(client: redis.Redis, store: SnapshotStore) -> None:
    take_snapshots(store, ["mena"], NOW + 600_000, force=True)
    assert verify(client, keys, MODEL, ["mena"], NOW + 300_000) == {"mena": []}
    [problem] = verify(client, keys, MODEL, ["mena"], NOW + 299_000)["mena"]
    assert "dated 301 s after this machine's clock" in problem


Damage = Callable[[redis.Redis], object]
HISTORY = keys.regime_history("mena")
DAYS_90 = SNAPSHOT_EXPIRY


def body(client: redis.Redis) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(client.get(keys.snapshot_by_id(latest(client))) or b"")
    return found


def put(client: redis.Redis, snapshot: dict[str, Any]) -> None:
    put_body(client, "mena", latest(client), encode(snapshot))


def edit(client: redis.Redis, path: str, value: Any) -> None:
    """Puts `value` in the place of that part of the latest snapshot; None removes it."""
    snapshot = body(client)
    *parents, last = path.split(".")
    part: Any = snapshot
    for name in parents:
        part = part[int(name) if name.isdigit() else name]
    part[last] = value
    if value is None:
        del part[last]
    put(client, snapshot)


def entry(client: redis.Redis, **fields: Any) -> str:
    """The newest entry of the history with other fields."""
    found: Any = client.lindex(HISTORY, 0)
    return json.dumps({**json.loads(found), **fields})


def replace_entry(client: redis.Redis, **fields: Any) -> None:
    client.lset(HISTORY, 0, entry(client, **fields))


def overfill(client: redis.Redis) -> None:
    """To more entries than the history has room for, each of an old change and back."""
    for number in range(REGIME_HISTORY_LENGTH):
        before, after = ("calm", "coercive_stalemate")[:: 1 if number % 2 else -1]
        at = NOW - 1000 * DAYS_90 - number
        fields = {"snapshot_id": f"old-{number}", "transitioned_at": at}
        client.rpush(HISTORY, entry(client, label=after, previous_label=before, **fields))


def retype(client: redis.Redis, name: str) -> None:
    """A list with an expiry in the place of a string."""
    client.delete(name)
    client.lpush(name, "x")
    client.expire(name, 60)


def lose_pointers(client: redis.Redis) -> None:
    client.delete(keys.latest("mena"), keys.index("mena"), HISTORY)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda c: c.delete(keys.latest("mena")), "latest is absent, but"),
        (lambda c: c.set(keys.latest("mena"), "other"), "snapshot-by-id:v1:other is absent"),
        (lambda c: c.delete(keys.snapshot_by_id(latest(c))), "is absent"),
        (lambda c: c.set(keys.snapshot_by_id(latest(c)), "{"), "is not a snapshot"),
        (lambda c: c.delete(keys.snapshot_at("mena", NOW + 1000)), "is absent"),
        (lambda c: c.delete(keys.snapshot_at("mena", NOW)), f"mena:{NOW} is absent"),
        (
            lambda c: c.copy(
                keys.snapshot_at("mena", NOW), keys.snapshot_at("mena", NOW + 1000), replace=True
            ),
            f"mena:{NOW + 1000} is not the snapshot",
        ),
        (lambda c: c.delete(keys.index("mena")), "does not hold"),
        (lambda c: c.zadd(keys.index("mena"), {"ghost": NOW}), "snapshot-by-id:v1:ghost is absent"),
        (lambda c: c.zadd(keys.index("mena"), {latest(c): NOW + 5}), "has another time"),
        (lambda c: c.zadd(keys.index("mena"), {latest(c): "inf"}), "has another time"),
        (lambda c: (c.delete(keys.index("mena")), c.set(keys.index("mena"), 1)), "WRONGTYPE"),
        (lose_pointers, "index:v1:mena are absent, but there is intelligence:obs"),
        # The snapshot.
        (lambda c: edit(c, "balance", None), "missing required field `balance`"),
        (lambda c: edit(c, "evidence", None), "missing required field `evidence`"),
        (lambda c: edit(c, "evidence", [1]), "is not a snapshot (Expected `object`, got `int`"),
        (lambda c: edit(c, "balance.capital_stress", 7), "<= 1.0 - at `$.balance.capital_stress`"),
        (lambda c: edit(c, "balance.capital_stress", "0"), "got `str` - at `$.balance.capital_st"),
        (lambda c: edit(c, "balance.net_balance", -1.1), ">= -1.0 - at `$.balance.net_balance`"),
        (
            lambda c: edit(c, "scenario_sets.0.lanes.0.probability", -1),
            ">= 0.0 - at `$.scen",
        ),
        (
            lambda c: edit(c, "regime.label", "war"),
            "Invalid enum value 'war' - at `$.reg",
        ),
        (lambda c: edit(c, "regime.label", "\x1b[2J"), r"Invalid enum value '\x1b[2J'"),
        (lambda c: edit(c, "meta.trigger_reason", "whim"), "Invalid enum value 'whim'"),
        (lambda c: edit(c, "generated_at", 1e30), "is not a snapshot"),
        (lambda c: edit(c, "region_id", "europe"), "is the snapshot of another region"),
        (lambda c: edit(c, "meta.snapshot_id", "x"), "is the snapshot of another region, or"),
        # The history.
        (lambda c: c.delete(HISTORY), "lacks the change to coercive_stalemate by"),
        (lambda c: c.lpush(HISTORY, entry(c)), "twice"),
        (lambda c: replace_entry(c, region_id="europe"), "entry 0 is a regime change of another"),
        (lambda c: replace_entry(c, snapshot_id="x"), "v1:mena names x, which is not stored"),
        (lambda c: replace_entry(c, snapshot_id=latest(c)), "is not what that snapshot says"),
        (lambda c: replace_entry(c, transitioned_at="now"), "entry 0 is not a regime change"),
        (lambda c: replace_entry(c, transitioned_at=NOW + 5), "is not what that snapshot says"),
        (
            lambda c: replace_entry(c, transitioned_at=32_503_680_000_000),
            "is not what that snapshot says",
        ),
        (
            lambda c: c.lpush(HISTORY, entry(c, snapshot_id="x", transitioned_at=32503680000000)),
            "names x, which is not stored",
        ),
        (lambda c: replace_entry(c, label="calm"), "is not what that snapshot says"),
        (overfill, "has 101 entries, more than 100"),
        (lambda c: c.lpush(HISTORY, "x"), "entry 0 is not a regime change"),
        (
            lambda c: c.lpush(HISTORY, entry(c, label="calm", previous_label="coercive_stalemate")),
            "ends at 'calm'",
        ),
        (lambda c: c.lpush(HISTORY, entry(c, previous_label="calm")), "has a gap"),
        # Expiries.
        (lambda c: c.persist(keys.latest("mena")), "mena:latest has no expiry"),
        (lambda c: c.expire(keys.latest("mena"), 4 * DAYS_90), "latest expires in 360 days"),
        (
            lambda c: c.expire(keys.latest("mena"), 60),
            "latest expires in 0.000694 days",
        ),
        (lambda c: c.persist(keys.snapshot_by_id(latest(c))), "has no expiry"),
        (lambda c: c.persist(keys.snapshot_at("mena", NOW)), f"mena:{NOW} has no expiry"),
        (lambda c: c.expire(keys.snapshot_at("mena", NOW), 10**8), f"mena:{NOW} expires in 1.16"),
        # The confirmation.
        (lambda c: retype(c, keys.confirmed("mena")), "confirmed:v1:mena: WRONGTYPE"),
        (
            lambda c: c.append(keys.latest_body("mena"), " "),
            f"{keys.latest_body('mena')} is not the snapshot",
        ),
        (lambda c: c.persist(keys.latest_body("mena")), "body:v1:mena has no expiry"),
        (lambda c: c.set(keys.confirmed("mena"), "x", keepttl=True), "mena holds no time"),
        (lambda c: c.set(keys.confirmed("mena"), 10**15, keepttl=True), "or one of the future"),
        (lambda c: c.persist(keys.confirmed("mena")), "confirmed:v1:mena has no expiry"),
        (lambda c: c.persist(IRAN), f"{IRAN} has no expiry"),
        (lambda c: c.expire(IRAN, DAYS_90), f"{IRAN} expires in 90 days, and should in 30"),
        (
            lambda c: c.expire(keys.index("mena"), 60),
            "index:v1:mena expires, and must",
        ),
        (lambda c: c.expire(HISTORY, 60), f"{HISTORY} expires, and must not"),
        # Observations.
        (lambda c: c.zadd(IRAN, {"x": NOW}), f"{IRAN} holds something else than observations"),
        (lambda c: c.zadd(IRAN, {f"{NOW}:1.0": NOW + 1}), "something else than observations"),
        (
            lambda c: c.zadd(IRAN, {f"{NOW + 400_000}:1.0": NOW + 400_000}),
            f"{IRAN} has an observation of the future; the next snapshot of the region puts",
        ),
        (lambda c: c.zadd(IRAN, {f"{NOW}:nan": NOW}), "something else than observations"),
        (lambda c: c.zadd(IRAN, {f"{NOW}:inf": NOW}), "something else than observations"),
        (lambda c: c.zadd(IRAN, {f"{NOW}:1e999": NOW}), "something else than observations"),
        (lambda c: (c.delete(IRAN), c.set(IRAN, 1)), f"{IRAN}: WRONGTYPE"),
    ],
)
def test_damage_is_named(client: redis.Redis, damage: Damage, said: str) -> None:
    assert verify(client, keys, MODEL, REGION_IDS, NOW) == {region: [] for region in REGION_IDS}
    damage(client)
    found = verify(client, keys, MODEL, REGION_IDS, NOW)
    assert said in "; ".join(found.pop("mena"))
    assert not any(found.values())


@pytest.mark.parametrize("server_url", ["valkey"], indirect=True)
def test_snapshots_to_which_nothing_leads_are_found(client: redis.Redis) -> None:
    """By a user who may look through all keys."""
    lose_pointers(client)
    client.delete(*client.scan_iter("intelligence:observations:v1:mena:*"), keys.confirmed("mena"))
    [problem] = verify(client, keys, MODEL, REGION_IDS, NOW)["mena"]
    assert "are absent, but there is intelligence:snapshot:v1:mena:17900000" in problem
    client.delete(*client.scan_iter("intelligence:snapshot:v1:mena:*"))
    assert verify(client, keys, MODEL, REGION_IDS, NOW)["mena"] == []


def test_the_next_snapshot_puts_times_of_the_future_right(
    client: redis.Redis, store: SnapshotStore
) -> None:
    ahead = current_time() + DAY * 1000
    client.zadd(IRAN, {f"{ahead}:1.0": ahead})
    client.set(keys.confirmed("mena"), ahead, keepttl=True)
    assert len(verify(client, keys, MODEL, ["mena"], NOW)["mena"]) == 2
    # A late one says nothing about what is newer.
    take_snapshots(store, ["mena"], NOW - 1)
    assert len(verify(client, keys, MODEL, ["mena"], NOW)["mena"]) == 2
    take_snapshots(store, ["mena"], NOW + 2000, force=True)
    assert verify(client, keys, MODEL, ["mena"], NOW) == {"mena": []}
    assert client.zscore(IRAN, f"{ahead}:1.0") is None


def test_a_history_in_the_wrong_order_is_reported(
    client: redis.Redis, store: SnapshotStore
) -> None:
    """Also where each entry begins where the one listed after it ended."""
    store.write_inputs(quiet_values())
    take_snapshots(store, ["mena"], NOW + 2000)
    store.write_inputs(sample_values())
    take_snapshots(store, ["mena"], NOW + 3000)
    assert verify(client, keys, MODEL, ["mena"], NOW) == {"mena": []}
    newest_first: Any = client.lrange(HISTORY, 0, -1)
    assert len(newest_first) == 3
    client.lpush(HISTORY, *newest_first)
    client.ltrim(HISTORY, 0, 2)
    expected = f"{HISTORY} is not in the order of its snapshots, newest first"
    assert verify(client, keys, MODEL, ["mena"], NOW) == {"mena": [expected]}


def test_a_full_history_forgets_what_its_snapshots_still_tell(store: SnapshotStore) -> None:
    """More changes than the history has room for, within the days that snapshots are kept."""
    store.write_inputs(sample_values())
    calm = dict.fromkeys(sample_values(), b"{}")
    for number in range(REGIME_HISTORY_LENGTH + 4):
        store.write_inputs(calm if number % 2 else sample_values())
        take_snapshots(store, ["mena"], NOW + number * 60_000)
    now = NOW + number * 60_000
    assert store.client.llen(HISTORY) == REGIME_HISTORY_LENGTH
    assert verify(store.client, keys, MODEL, ["mena"], now) == {"mena": []}
    lost: Any = store.client.lindex(HISTORY, 50)
    store.client.lrem(HISTORY, 0, lost)
    found = verify(store.client, keys, MODEL, ["mena"], now)
    assert "lacks the change to" in "; ".join(found["mena"])


def test_the_entries_of_expired_snapshots_are_no_damage(client: redis.Redis) -> None:
    overfill(client)
    client.ltrim(HISTORY, 0, REGIME_HISTORY_LENGTH - 1)
    assert client.llen(HISTORY) == REGIME_HISTORY_LENGTH
    assert verify(client, keys, MODEL, ["mena"], NOW) == {"mena": []}


def test_a_change_of_scoring_needs_no_entry(client: redis.Redis) -> None:
    snapshot = body(client)
    regime = {"label": "calm", "previous_label": "coercive_stalemate"}
    snapshot["regime"] |= {**regime, "transitioned_at": NOW + 1000}
    put(client, snapshot)
    found = verify(client, keys, MODEL, ["mena"], NOW)
    assert "lacks the change to calm" in "; ".join(found["mena"])
    snapshot["meta"]["trigger_reason"] = "rescored"
    put(client, snapshot)
    assert verify(client, keys, MODEL, ["mena"], NOW) == {"mena": []}


def test_a_region_written_meanwhile_is_looked_at_again(
    store: SnapshotStore, client: redis.Redis
) -> None:
    """A snapshot of the same time takes the place of the one before between two reads."""
    before = verification.look(client, keys, MODEL, ["mena"])
    client.set("military:flights:v1", sample_values()["military:flights:v1"])
    take_snapshots(store, ["mena"], NOW + 1000, force=True)
    assert verification._all_problems(client, keys, before, NOW) != {"mena": []}
    assert verification._settled(client, keys, MODEL, before, NOW) == {"mena": []}


def test_many_snapshots_take_few_round_trips(
    store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "PER_TRIP", 100)
    store.write_inputs(sample_values())
    for number in range(150):
        take_snapshots(store, ["mena"], NOW + number, force=True)
    client = store.client

    def packets() -> int:
        said: Any = client.info("commandstats")
        return sum(s["calls"] for n, s in said.items() if n in ("cmdstat_mget", "cmdstat_get"))

    before = packets()
    assert verify(client, keys, MODEL, ["mena"], NOW + 150) == {"mena": []}
    # Pointer, confirmation and copy, and per 100 snapshots those by id and those at their times.
    assert packets() - before == 3 + 2 * 2
