"""What the platform's health check says after runs over some regions: never OK while one is old."""

import json
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

import pytest
import redis

from regional_assets.defs.assets.summary import summarise
from regional_assets.runs import records, summary
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.runs.summary import update_summary
from regional_assets.store.latest import LatestRead
from regional_assets.store.snapshot_store import SnapshotStore, Summary
from regional_assets_tests.support.built_in import REGION_IDS
from regional_assets_tests.support.stored import latest_id
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.worlds import NOW, sample_values, undated_values

HOUR = 3_600_000
MAX_STALE_MINUTES = 720


def health(client: redis.Redis, now: int) -> str:
    """The verdict of the platform's health check, by its rules in their order."""
    length = client.strlen(keys.summary)
    if length == 0 or length == 10:
        return "EMPTY"
    meta: dict[str, Any] = json.loads(client.get(keys.summary_seed_meta) or b"{}")
    if meta.get("status") == "error" or meta.get("sourceState", "ok") not in (
        *("ok", "unavailable", "blocked"),
    ):
        return "SEED_ERROR"
    if meta.get("count", meta.get("recordCount", 1)) == 0:
        return "EMPTY_DATA"
    fetched_at = meta.get("fetchedAt", 0)
    if fetched_at <= 0 or round((now - fetched_at) / 60_000) > MAX_STALE_MINUTES:
        return "STALE_SEED"
    return "OK"


def meta(client: redis.Redis) -> tuple[int, int]:
    """`fetchedAt` and `recordCount`."""
    found = json.loads(client.get(keys.summary_seed_meta) or b"")
    return found["fetchedAt"], found["recordCount"]


def run(
    store: SnapshotStore, regions: Sequence[str], now: int, *, force: bool = False
) -> dict[str, Any]:
    """What a job does, and the summary's metadata."""
    result = take_snapshots(store, regions, now, force=force)
    assert result.failed == ()
    return summarise(store, now, result)


@pytest.fixture
def client(store: SnapshotStore) -> redis.Redis:
    """All regions were written at NOW; the inputs never get older, so that later runs are
    duplicates."""
    store.write_inputs(undated_values())
    run(store, REGION_IDS, NOW)
    return store.client


OTHERS = REGION_IDS[1:]


@pytest.mark.parametrize("force", [True, False], ids=["written", "duplicate"])
def test_a_run_of_one_region_does_not_make_the_others_fresh(
    store: SnapshotStore, client: redis.Redis, force: bool
) -> None:
    assert health(client, NOW) == "OK"
    later = NOW + 13 * HOUR
    said = run(store, ["mena"], later, force=force)
    assert meta(client) == (NOW, 1)
    assert health(client, later) == "STALE_SEED"
    assert said["not_confirmed"] == list(OTHERS)
    rows = {row.data["region"]: row.data for row in said["table"].records}
    assert (rows["mena"]["age_hours"], rows["europe"]["age_hours"]) == (0, 13)
    assert rows["europe"]["confirmed"] == "2026-09-21 14:13 UTC"


def test_of_many_regions_those_under_most_pressure_are_listed(
    store: SnapshotStore, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MOST_REGIONS", 3)
    monkeypatch.setattr(summary, "MOST_REGIONS", 3)
    net = {
        region: json.loads(client.get(keys.snapshot_by_id(latest_id(client, region) or "")) or b"")[
            "balance"
        ]["net_balance"]
        for region in REGION_IDS
    }
    said = run(store, ["mena"], NOW + 13 * HOUR)
    listed = [row.data["region"] for row in said["table"].records]
    assert listed == [r for r in REGION_IDS if r in sorted(net, key=lambda r: net[r])[:3]]
    assert said["regions"] == len(REGION_IDS)
    assert said["not_confirmed"] == list(OTHERS[:3])
    assert said["not_listed"] == {"table": len(net) - 3, "not_confirmed": len(OTHERS) - 3}
    for region in OTHERS[:4]:
        client.set(keys.snapshot_by_id(latest_id(client, region) or ""), "{}", keepttl=True)
    said = run(store, ["mena"], NOW + 14 * HOUR, force=True)
    assert list(said["damaged"]) == list(OTHERS[:3])
    assert said["not_listed"]["damaged"] == 1
    assert said["outcome"].endswith("; 1 more")
    assert OTHERS[3] not in said["outcome"]


def test_a_run_of_all_but_one_tells_the_oldest(store: SnapshotStore, client: redis.Redis) -> None:
    for hours in (6, 12):
        run(store, OTHERS, NOW + hours * HOUR)
        assert meta(client)[0] == NOW
    assert meta(client) == (NOW, len(OTHERS))
    assert health(client, NOW + 12 * HOUR) == "OK"
    assert health(client, NOW + 12 * HOUR + 60_000) == "STALE_SEED"
    # The last one is confirmed, too: now the others are the oldest.
    run(store, ["mena"], NOW + 13 * HOUR)
    assert meta(client) == (NOW + 12 * HOUR, len(REGION_IDS))
    assert health(client, NOW + 13 * HOUR) == "OK"


def test_duplicates_keep_health_fresh_and_the_summary_alive(
    store: SnapshotStore, client: redis.Redis
) -> None:
    before = client.get(keys.summary)
    client.expire(keys.summary, 60)
    client.expire(keys.summary_seed_meta, 60)
    said = run(store, REGION_IDS, NOW + 24 * HOUR)
    assert said["outcome"] == "stands: no region changed"
    assert client.get(keys.summary) == before
    assert meta(client) == (NOW + 24 * HOUR, len(REGION_IDS))
    assert health(client, NOW + 24 * HOUR) == "OK"
    for key in (keys.summary, keys.summary_seed_meta):
        assert 86_395 <= client.ttl(key) <= 86_400


@pytest.mark.parametrize("damage", ["list", "deep", "text"])
def test_a_damaged_summary_is_replaced(
    store: SnapshotStore, client: redis.Redis, damage: str
) -> None:
    """Even after a run of nothing but duplicates."""
    if damage == "list":
        client.delete(keys.summary)
        client.lpush(keys.summary, "x")
    else:
        client.set(keys.summary, "[" * 100_000 if damage == "deep" else '{"generatedAt": "x"}')
    assert run(store, REGION_IDS, NOW + HOUR)["outcome"] == "written"
    assert store.verify_summary() == []
    assert health(client, NOW + HOUR) == "OK"


def test_a_dead_job_is_seen_to_age(client: redis.Redis) -> None:
    assert health(client, NOW + 12 * HOUR) == "OK"
    assert health(client, NOW + 23 * HOUR) == "STALE_SEED"
    client.delete(keys.summary, keys.summary_seed_meta)  # as their expiry does
    assert health(client, NOW + 25 * HOUR) == "EMPTY"


def test_a_region_that_was_never_written_is_not_ok(store: SnapshotStore) -> None:
    store.write_inputs(undated_values())
    run(store, ["mena", "europe"], NOW)
    assert meta(store.client) == (0, 2)
    assert health(store.client, NOW) == "STALE_SEED"
    run(store, REGION_IDS, NOW + HOUR)
    assert meta(store.client) == (NOW + HOUR, len(REGION_IDS))
    assert health(store.client, NOW + HOUR) == "OK"


def test_no_young_region_is_no_data(store: SnapshotStore, client: redis.Redis) -> None:
    """Nothing ran for two schedules, and the summary alone is asked for."""
    update_summary(store, NOW + 12 * HOUR)
    assert meta(client) == (NOW, 0)
    assert health(client, NOW + 12 * HOUR) == "EMPTY_DATA"


@pytest.mark.parametrize("damage", ["body", "pointer", "confirmation", "another region's"])
def test_a_damaged_region_is_not_ok(store: SnapshotStore, client: redis.Redis, damage: str) -> None:
    before = client.get(keys.summary)
    if damage == "body":
        client.set(keys.snapshot_by_id(latest_id(client, "mena") or ""), "{")
    elif damage == "pointer":
        client.set(keys.latest("mena"), "gone")
    elif damage == "confirmation":
        client.delete(keys.confirmed("mena"))
        client.lpush(keys.confirmed("mena"), "x")
    else:
        client.set(keys.latest("mena"), latest_id(client, "europe") or "")
    said = run(store, OTHERS, NOW + HOUR, force=True)
    assert said["outcome"].startswith("stands: mena cannot be read: ")
    assert said["not_confirmed"] == ["mena"]
    assert client.get(keys.summary) == before
    assert meta(client) == (0, len(OTHERS))
    assert health(client, NOW + HOUR) == "STALE_SEED"


def test_a_run_with_a_failed_region_lets_health_age(
    store: SnapshotStore, client: redis.Redis
) -> None:
    """Its job ends before the summary, which stands with its record."""
    client.delete(keys.index("mena"))
    client.set(keys.index("mena"), "wrong")
    [failed] = take_snapshots(store, REGION_IDS, NOW + 13 * HOUR, force=True).failed
    assert failed.region_id == "mena"
    assert health(client, NOW + 13 * HOUR) == "STALE_SEED"
    assert meta(client) == (NOW, len(REGION_IDS))


def test_snapshots_of_the_old_job_count_from_their_own_time(
    store: SnapshotStore, client: redis.Redis
) -> None:
    """It writes no confirmations, nor moves those that an earlier run of this project left."""
    client.delete(*map(keys.confirmed, REGION_IDS))
    run(store, ["mena"], NOW + HOUR)
    assert meta(client) == (NOW, len(REGION_IDS))
    # Switched back for a while: its snapshot is newer than the confirmation.
    client.set(keys.confirmed("mena"), NOW - 13 * HOUR)
    update_summary(store, NOW + 2 * HOUR)
    assert meta(client) == (NOW, len(REGION_IDS))


def test_a_confirmation_of_the_future_counts_for_nothing(
    store: SnapshotStore, client: redis.Redis
) -> None:
    client.set(keys.confirmed("mena"), NOW + 400 * 24 * HOUR)
    run(store, OTHERS, NOW + 13 * HOUR)
    assert meta(client) == (NOW, len(OTHERS))
    assert health(client, NOW + 13 * HOUR) == "STALE_SEED"


def test_a_region_that_is_confirmed_meanwhile_is_not_taken_for_older(
    store: SnapshotStore, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run confirms it between this one's look at the regions and its writing."""
    read = store.read
    meanwhile = [NOW + 2 * HOUR]

    def interrupted(*args: Any, **options: Any) -> Any:
        found = read(*args, **options)
        if not options.get("inputs", True) and meanwhile:
            client.set(keys.confirmed("mena"), meanwhile.pop())
        return found

    take_snapshots(store, OTHERS, NOW + HOUR)
    monkeypatch.setattr(store, "read", interrupted)
    update_summary(store, NOW + 2 * HOUR)
    assert meanwhile == []
    assert meta(client) == (NOW + HOUR, len(REGION_IDS))


def test_a_second_attempt_reads_only_what_other_runs_wrote(
    store: SnapshotStore, client: redis.Redis
) -> None:
    """Of thousands of regions some are always written while their summary is made."""
    seen: list[dict[str, tuple[str, int | None]]] = []

    def summed(latest: Mapping[str, LatestRead], stored: bytes | None) -> Summary:
        found = {region: read.snapshot for region, read in latest.items()}
        seen.append({r: (s.snapshot_id, s.confirmed_at) for r, s in found.items() if s})
        if len(seen) == 1:
            client.set(keys.confirmed("latam"), NOW + HOUR)
            take_snapshots(store, ["mena"], NOW + HOUR, force=True)
        return Summary({}, {})

    before = {keys.snapshot_by_id(latest_id(client, region) or "") for region in REGION_IDS}
    listener: Any = client
    with listener.monitor() as monitor:
        store.update_summary(REGION_IDS, summed)
        client.echo("end")
        # What scripts read is their own matter.
        asked = (found for found in monitor.listen() if found["client_type"] != "lua")
        heard = (found["command"] for found in asked)
        commands = list(takewhile("ECHO end".__ne__, heard))
    first, second = seen
    written = latest_id(client, "mena") or ""
    assert second == first | {
        "mena": (written, NOW + HOUR),
        "latam": (first["latam"][0], NOW + HOUR),
    }
    fetched = [command.removeprefix("GET ") for command in commands if command.startswith("GET ")]
    bodies = [name for name in fetched if name.startswith(keys.snapshot_by_id(""))]
    assert sorted(bodies) == sorted([*before, keys.snapshot_by_id(written)])
    assert bodies[-1] == keys.snapshot_by_id(written)


def test_health_after_written_and_duplicate_regions(
    store: SnapshotStore, client: redis.Redis
) -> None:
    store.write_inputs(sample_values(NOW + HOUR))
    run(store, REGION_IDS, NOW + HOUR)
    assert meta(client) == (NOW + HOUR, len(REGION_IDS))
    assert health(client, NOW + HOUR) == "OK"
