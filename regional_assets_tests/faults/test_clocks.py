"""Clocks that are wrong: `latest` moves forward in time only, nothing is lost, nothing is told
twice."""

import json
from typing import Any

import pytest
import redis

from regional_assets.runs.clock import current_time
from regional_assets.runs.snapshots import RegionResult, take_snapshots
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets.store.verification import verify
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.stored import bodies, indexed, latest_id, should_be_told, told
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.worlds import KEY, NOW, sample_values

MINUTE = 60_000
DAY = 86_400_000

# Without these there is calm.
STRESSED = {KEY[name] for name in ("risk_scores", "forecasts", "chokepoints")}
DATED = [KEY[name] for name in ("macro_signals", "stress_index", "military_flights")]


@pytest.fixture
def client(store: SnapshotStore) -> redis.Redis:
    store.write_inputs(sample_values())
    return store.client


def take(store: SnapshotStore, now: int) -> RegionResult:
    [result] = take_snapshots(store, ["mena"], now).regions
    return result


def change(client: redis.Redis, number: int) -> None:
    """Other inputs than those of the number before; every other time another regime."""
    values = dict(sample_values())
    flights = [{"lat": 30, "lon": 40}] * number
    values[KEY["military_flights"]] = json.dumps({"flights": flights}).encode()
    if number % 2:
        values |= dict.fromkeys(STRESSED, json.dumps({"fetchedAt": NOW}).encode())
    client.mset(values)


def assert_told_of(client: redis.Redis, snapshot_ids: list[str | None], now: int) -> None:
    """The readers were told of this chain, and all agrees."""
    chain = bodies(client, [snapshot_id or "" for snapshot_id in snapshot_ids])
    assert told(client, "mena") == should_be_told("mena", [None, *chain])
    assert verify(client, keys, MODEL, ["mena"], now) == {"mena": []}


def test_a_clock_set_back(store: SnapshotStore, client: redis.Redis) -> None:
    first = take(store, NOW)
    change(client, 1)
    # An hour back: what comes is kept, but is not the newest.
    late = take(store, NOW - 60 * MINUTE)
    assert (late.outcome, late.late) == ("written", True)
    assert latest_id(client, "mena") == first.stored_id
    assert indexed(client, "mena") == [late.stored_id, first.stored_id]
    assert_told_of(client, [first.stored_id], NOW)
    # The same again: it is no duplicate of what is not the latest, and still changes nothing.
    assert take(store, NOW - 59 * MINUTE).late
    # When the clock has caught up, what changed is told.
    caught_up = take(store, NOW + 1)
    assert (caught_up.outcome, caught_up.late) == ("written", False)
    assert latest_id(client, "mena") == caught_up.stored_id
    assert len(told(client, "mena").history) == 2
    assert_told_of(client, [first.stored_id, caught_up.stored_id], NOW)


def test_the_same_content_while_a_clock_is_back_is_a_duplicate(
    store: SnapshotStore, client: redis.Redis
) -> None:
    first = take(store, NOW)
    again = take(store, NOW - MINUTE)
    assert (again.outcome, again.duplicate_of) == ("duplicate", first.stored_id)


def test_two_machines_a_minute_apart(store: SnapshotStore, client: redis.Redis) -> None:
    """They take turns every ten seconds, the inputs changing each time. Of the slow one only what
    is newer than all of the fast one's would become the latest; nothing is told twice."""
    results = []
    for turn in range(12):
        change(client, turn)
        ahead = MINUTE if turn % 2 == 0 else 0
        results.append(take(store, NOW + turn * 10_000 + ahead))
    assert {result.outcome for result in results} == {"written"}
    assert [result.late for result in results] == [False, True] * 6
    fast = [result.stored_id for result in results[::2]]
    assert latest_id(client, "mena") == fast[-1]
    assert len(indexed(client, "mena")) == 12
    assert_told_of(client, fast, NOW + 3 * MINUTE)
    # A minute after the fast machine's last run the slow one's count.
    change(client, 13)
    after = take(store, NOW + 3 * MINUTE)
    assert not after.late
    assert_told_of(client, [*fast, after.stored_id], NOW + 3 * MINUTE)


def test_a_clock_a_year_ahead_sweeps_nothing_away(
    store: SnapshotStore, client: redis.Redis
) -> None:
    """Its snapshots are the latest, which `verify` reports; those of right clocks are kept."""
    now = current_time()
    first = take(store, now - DAY)
    change(client, 1)
    ahead = [take(store, now + 365 * DAY), take(store, now + 365 * DAY + 1)]
    assert [result.outcome for result in ahead] == ["written", "duplicate"]
    change(client, 2)
    right = take(store, now)
    assert right.late
    assert indexed(client, "mena") == [first.stored_id, right.stored_id, ahead[0].stored_id]
    observed = keys.observations("mena", "oref:active_alerts_count")
    found: Any = client.zrange(observed, 0, -1, withscores=True)
    assert [int(at) for _, at in found] == [
        now - DAY,
        now,
        now + 365 * DAY,
    ]
    [problem] = verify(client, keys, MODEL, ["mena"], now)["mena"]
    assert "dated 31536000 s after this machine's clock" in problem
    # What it says to do.
    client.delete(keys.latest("mena"))
    client.zrem(keys.index("mena"), ahead[0].stored_id or "")
    change(client, 3)
    assert not take(store, now + 1).late
    assert verify(client, keys, MODEL, ["mena"], now) == {"mena": []}


@pytest.mark.parametrize("ahead", [6 * MINUTE, 400 * DAY])
def test_an_input_dated_in_the_future_is_stale(
    store: SnapshotStore, client: redis.Redis, ahead: int
) -> None:
    """It counts, but not as fresh, and nothing of it makes the snapshot valid for longer."""
    before = take(store, NOW)
    future = {"fetchedAt": NOW + ahead}
    client.mset({key: json.dumps(json.loads(client.get(key) or b"") | future) for key in DATED})
    results = take_snapshots(store, REGION_IDS, NOW + 1).regions
    assert {result.outcome for result in results} == {"written"}
    snapshot = json.loads(bodies(client, [results[0].stored_id or ""])[0])
    assert snapshot["generated_at"] == NOW + 1
    assert NOW < snapshot["meta"]["valid_until"] <= NOW + DAY // 4 + 1
    assert set(snapshot["meta"]["stale_inputs"]) >= set(DATED)
    assert before.snapshot
    assert before.snapshot.content.world.confidence.score > snapshot["meta"]["snapshot_confidence"]
