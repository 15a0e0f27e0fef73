"""The input sensor through Dagster, on a real instance and a real server, with the clock set."""

import json
from itertools import pairwise
from typing import Any

import dagster as dg
import pytest
import redis

from benchmarks.generated_model import generated
from regional_assets.defs.jobs import SNAPSHOT_JOB
from regional_assets.defs.resources import SnapshotStoreResource
from regional_assets.defs.sensors.inputs import Watch, input_sensor
from regional_assets.runs.clock import current_time
from regional_assets.settings import SensorSettings
from regional_assets_tests.support.built_in import REGION_IDS
from regional_assets_tests.support.dagster_runs import (
    ALL,
    DAMAGED_CURSORS,
    Tick,
    a_run,
    materialisations,
    ranges,
    reason,
    run,
    ticking,
    values,
)


@pytest.fixture
def tick(instance: dg.DagsterInstance, client: redis.Redis) -> Tick:
    store = SnapshotStoreResource()
    return ticking(input_sensor, instance, current_time(), regional_store=store)


def execute(instance: dg.DagsterInstance, request: dg.RunRequest) -> dict[str | None, Any]:
    result = run(instance, tags=request.tags)
    assert result.success
    return materialisations(instance, result.run_id)


def close(client: redis.Redis, *icaos: str) -> None:
    """NOTAMs: content of the regions of these airports only."""
    notams = {"closedIcaos": icaos, "reasons": dict.fromkeys(icaos, "shut")}
    client.set("aviation:notam:closures:v2", json.dumps(notams))


def test_the_first_snapshots_are_requested_when_they_have_settled(tick: Tick) -> None:
    assert "settling for another 60 s" in reason(tick(0))
    assert "settling for another 30 s" in reason(tick(30))
    assert ranges(tick(60)) == [("mena", "global")]


def test_nothing_new_is_said_so(tick: Tick, instance: dg.DagsterInstance) -> None:
    run(instance, tags=ALL)
    assert reason(tick(0)) == f"nothing new: all {len(REGION_IDS)} regions say what is stored"


def test_exactly_the_regions_whose_content_changes(
    tick: Tick, instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    run(instance, tags=ALL)
    # Bytes change, content does not.
    stored = client.get("economic:stress-index:v1")
    assert isinstance(stored, bytes)
    client.set("economic:stress-index:v1", stored + b"  ")
    assert "nothing new" in reason(tick(0))
    close(client, "OIIE", "SBGR")
    assert "changed: mena, latam; settling" in reason(tick(10))
    result = tick(70)
    assert ranges(result) == [("mena", "mena"), ("latam", "latam")]
    for request in result.run_requests or []:
        [(_, materialisation)] = execute(instance, request).items()
        assert values(materialisation)["outcome"] == "written"
    assert "nothing new" in reason(tick(100))


def test_at_most_so_many_partitions_in_a_run(
    tick: Tick,
    instance: dg.DagsterInstance,
    client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REGIONAL_PARTITIONS_PER_RUN", "3")
    seen = tick(0).cursor
    result = tick(60)
    starts = range(0, len(REGION_IDS), 3)
    assert ranges(result) == [(REGION_IDS[n], REGION_IDS[n : n + 3][-1]) for n in starts]
    assert len(set(keys_of(result))) == len(starts)
    assert keys_of(tick(60, seen)) == keys_of(result)
    # One of the runs goes on: its regions alone are waited for.
    first, *others = result.run_requests or []
    tags = {name.removeprefix("dagster/"): value for name, value in first.tags.items()}
    going_on = a_run(
        instance, SNAPSHOT_JOB, dg.DagsterRunStatus.STARTED, run_key=first.run_key or ""
    )
    instance.add_run_tags(going_on.run_id, {"regional/requested_by": tags["regional/requested_by"]})
    for request in others:
        execute(instance, request)
    said = reason(tick(400))
    assert f"request 1 for {REGION_IDS[0]} is STARTED (run {going_on.run_id})" in said
    assert REGION_IDS[3] not in said


def keys_of(result: dg.SensorResult) -> list[str | None]:
    return [request.run_key for request in result.run_requests or []]


def test_a_tick_evaluated_again_has_the_same_run_key_and_a_later_try_another(
    tick: Tick, instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    seen = tick(0).cursor
    first = tick(60)
    again = tick(60, seen)
    assert len(keys_of(first)) == 1
    assert keys_of(again) == keys_of(first)
    tick(400)
    later = tick(460)
    run(instance, tags=ALL)
    close(client, "OIIE")
    tick(800)
    other = tick(900)
    assert len({*keys_of(first), *keys_of(later), *keys_of(other)}) == 3


def test_a_server_emptied_twice_is_filled_twice(
    tick: Tick, instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    run_keys = []
    for start in (0, 1000):
        for key in client.scan_iter("intelligence:snapshot*"):
            client.delete(key)
        tick(start)
        [request] = tick(start + 60).run_requests or []
        run_keys.append(request.run_key)
        assert set(execute(instance, request)) == set(REGION_IDS)
        assert "nothing new" in reason(tick(start + 90))
    assert run_keys[0] != run_keys[1]


def as_dagster_does(
    instance: dg.DagsterInstance, request: dg.RunRequest, status: dg.DagsterRunStatus
) -> None:
    """A run of the request, in that status."""
    made = a_run(instance, SNAPSHOT_JOB, status, run_key=request.run_key or "")
    instance.add_run_tags(made.run_id, request.tags)


def test_a_request_that_brings_nothing_is_repeated_with_growing_pauses(
    tick: Tick, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its run failed, was cancelled, or was never started; each is told."""
    monkeypatch.setenv("REGIONAL_MIN_RUN_INTERVAL", "0")
    statuses = [dg.DagsterRunStatus.FAILURE, None, dg.DagsterRunStatus.CANCELED, None, None]
    asked: list[int] = []
    run_keys = []
    for seconds in range(0, 1500, 10):
        result = tick(seconds)
        for request in result.run_requests or []:
            asked.append(seconds)
            run_keys.append(request.run_key)
            status = statuses.pop(0)
            if status:
                as_dagster_does(instance, request, status)
                assert f"for mena is {status.value} (run " in reason(tick(seconds + 1))
            else:
                assert f"request {len(asked)} for mena became no run" in reason(tick(seconds + 1))
    # The first has to settle.
    assert [b - a for a, b in pairwise(asked)] == [70, 120, 240, 480]
    assert len(set(run_keys)) == len(asked)


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTED])
def test_a_region_is_not_requested_again_while_its_run_is_in_progress(
    tick: Tick, instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    tick(0)
    [request] = tick(60).run_requests or []
    as_dagster_does(instance, request, status)
    tick(70)
    assert f"request 1 for mena is {status.value}" in reason(tick(10_000))


def test_a_cursor_of_a_clock_that_ran_ahead_heals(tick: Tick, instance: dg.DagsterInstance) -> None:
    tick(1_000_000)
    ahead = tick(1_000_060)
    assert ranges(ahead)
    tick(1_000_070)
    assert "settling for another 60 s" in reason(tick(0))
    assert "next in 240 s" in reason(tick(60))
    assert keys_of(tick(300))


def test_runs_are_apart(tick: Tick, instance: dg.DagsterInstance, client: redis.Redis) -> None:
    tick(0)
    [request] = tick(60).run_requests or []
    execute(instance, request)
    close(client, "OIIE")
    tick(70)
    assert "requested lately, next in 220 s" in reason(tick(140))
    assert ranges(tick(360)) == [("mena", "mena")]


def test_a_feed_that_never_rests_does_not_hold_a_run_up_for_ever() -> None:
    settings = SensorSettings(settle=60, min_run_interval=300)
    watch = Watch()
    for seconds in range(0, 300, 30):
        watch.see({"mena": f"digest-{seconds}"}, seconds)
        assert watch.settled(seconds, settings) == []
    watch.see({"mena": "digest-300"}, 300)
    assert watch.settled(300, settings) == ["mena"]


def test_a_change_that_goes_away_is_forgotten() -> None:
    watch = Watch()
    watch.see({"mena": "a", "latam": "b"}, 0)
    watch.see({"latam": "b"}, 30)
    assert set(watch.changes) == {"latam"}
    assert Watch.load(watch.dump(), 30) == watch


def test_the_cursor_grows_with_the_regions_alone() -> None:
    def requested(number: int) -> Watch:
        watch = Watch()
        regions = [f"region-{n:05}" for n in range(number)]
        watch.see(dict.fromkeys(regions, "digest"), 0)
        watch.request(regions, 60, {region: ["id", "version"] for region in regions})
        return watch

    few, many = requested(100), requested(1000)
    assert len(many.dump()) < 11 * len(few.dump())
    # A request for other regions, or a later try, is another run.
    again = requested(100)
    again.see(
        dict.fromkeys(again.requests, "digest"), 0, {r: ["id", "version"] for r in few.requests}
    )
    again.request(list(again.changes), 120, {r: ["id", "version"] for r in again.changes})
    keys = {r.run_key for watch in (few, many, again) for r in watch.requests.values()}
    assert len(keys) == 3


@pytest.mark.usefixtures("client")
def test_a_reason_names_fifty_of_many_regions(instance: dg.DagsterInstance) -> None:
    many = generated(60)
    store = SnapshotStoreResource()
    tick = ticking(
        input_sensor, instance, current_time(), regional_store=store, regional_model=many
    )
    assert f"changed: {', '.join(many.region_ids[:50])}, and 10 more;" in reason(tick(0))
    tick(60)
    changed, *requests, more = reason(tick(61)).split("; request ")
    assert changed.startswith("changed: mena, ")
    first, *_, last = [*requests, more]
    assert first == "1 for mena became no run; again in 59 s"
    assert len([*requests, more]) == 50
    assert last == f"1 for {many.region_ids[49]} became no run; again in 59 s; and 10 more"


@pytest.mark.parametrize(
    "cursor",
    [
        None,
        "",
        *DAMAGED_CURSORS,
        '{"changes": {"mena": 1}}',
        '{"changes": {}, "requested_at": 0, "requests": {"mena": {"tries": Infinity}}}',
    ],
)
def test_a_cursor_that_cannot_be_read_is_a_new_beginning(cursor: str | None) -> None:
    assert Watch.load(cursor, 0) == Watch()


def test_a_server_that_is_away_is_a_reason_to_wait(
    tick: Tick, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:secret@127.0.0.1:1")
    monkeypatch.setenv("REGIONAL_RETRIES", "0")
    said = reason(tick(0))
    assert "Redis at 127.0.0.1:1/0 does not answer" in said
    assert "secret" not in said


def test_a_tick_is_one_round_trip(tick: Tick, client: redis.Redis) -> None:
    tick(0)
    client.config_resetstat()
    tick(30)
    stats = client.info("commandstats")
    assert stats["cmdstat_evalsha_ro"]["calls"] == 2
    assert "cmdstat_set" not in stats


def test_a_region_that_cannot_be_read_is_left_to_the_runs(tick: Tick, client: redis.Redis) -> None:
    client.set("intelligence:snapshot:v1:europe:latest", "gone")
    tick(0)
    before, after = REGION_IDS[:2], REGION_IDS[3:]
    assert REGION_IDS[2] == "europe"
    assert ranges(tick(60)) == [(before[0], before[-1]), (after[0], after[-1])]
