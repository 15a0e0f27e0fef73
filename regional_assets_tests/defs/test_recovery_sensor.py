"""The recovery sensor through Dagster: real failures, real repairs, with the clock set."""

from itertools import pairwise

import dagster as dg
import pytest
import redis

from benchmarks.generated_model import generated
from regional_assets.definitions import definitions
from regional_assets.defs.assets.snapshots import REGIONAL_SNAPSHOT
from regional_assets.defs.partitions import contiguous
from regional_assets.defs.sensors.recovery import recovery_sensor
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.dagster_runs import (
    ALL,
    DAMAGED_CURSORS,
    Tick,
    ranges,
    reason,
    run,
    statuses,
    ticking,
)
from regional_assets_tests.support.stores import keys


@pytest.fixture
def tick(instance: dg.DagsterInstance) -> Tick:
    return ticking(recovery_sensor, instance)


def spoil(client: redis.Redis, *regions: str) -> None:
    for region in regions:
        client.delete(keys.index(region))
        client.set(keys.index(region), "wrong")


def test_nothing_failed(tick: Tick, instance: dg.DagsterInstance, client: redis.Redis) -> None:
    assert reason(tick(0)) == "no partition has failed"
    run(instance, tags=ALL)
    assert reason(tick(30)) == "no partition has failed"


def test_exactly_the_failed_partitions_are_tried_again_and_a_success_clears_the_mark(
    tick: Tick, instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    spoil(client, "east-asia", "europe", "latam")
    run(instance, tags=ALL)
    assert "europe: try 1 in 60 s" in reason(tick(0))
    result = tick(60)
    assert ranges(result) == [("east-asia", "europe"), ("latam", "latam")]
    client.delete(*(keys.index(region) for region in ("east-asia", "europe", "latam")))
    for request in result.run_requests or []:
        assert run(instance, tags=request.tags).success
    assert statuses(instance) == dict.fromkeys(REGION_IDS, "MATERIALIZED")
    assert reason(tick(90)) == "no partition has failed"


def test_at_most_so_many_partitions_in_a_run(
    tick: Tick,
    instance: dg.DagsterInstance,
    client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spoil(client, *REGION_IDS)
    run(instance, tags=ALL)
    tick(0)
    monkeypatch.setenv("REGIONAL_PARTITIONS_PER_RUN", "5")
    result = tick(60)
    assert ranges(result) == [(REGION_IDS[0], REGION_IDS[4]), (REGION_IDS[5], REGION_IDS[-1])]
    assert len({request.run_key for request in result.run_requests or []}) == 2
    client.delete(*(keys.index(region) for region in REGION_IDS))
    for request in result.run_requests or []:
        assert run(instance, tags=request.tags).success
    assert statuses(instance) == dict.fromkeys(REGION_IDS, "MATERIALIZED")
    assert reason(tick(90)) == "no partition has failed"


def test_scattered_failures_are_twenty_runs_a_tick(
    instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    many = generated(60)
    spoil(client, *many.region_ids[::2])
    result = run(instance, defs=definitions(many))
    assert not result.success
    tick = ticking(recovery_sensor, instance, regional_model=many)
    tick(0)
    assert ranges(tick(60)) == [(region, region) for region in many.region_ids[:40:2]]
    # These were asked for only once; the others come next.
    assert ranges(tick(61)) == [(region, region) for region in many.region_ids[40::2]]


def test_pauses_grow_then_it_gives_up_and_says_so_once(
    tick: Tick, instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    spoil(client, "europe")
    run(instance, tags=ALL)
    now = 0.0
    tried: list[float] = []
    tick(now)
    while len(tried) < 5:
        now += 30
        for request in tick(now).run_requests or []:
            tried.append(now)
            run(instance, tags=request.tags)
    assert [b - a for a, b in pairwise(tried)] == [120, 240, 480, 960]

    result = tick(now + 30)
    assert "europe: given up after 5 tries" in reason(result)
    [record] = result.asset_events
    assert isinstance(record, dg.AssetObservation)
    assert (record.asset_key, record.partition) == (REGIONAL_SNAPSHOT, "europe")
    assert "gave up on europe after 5 tries" in (record.description or "")
    later = tick(now + 100_000)
    assert not later.asset_events
    assert "given up" in reason(later)

    # Mended by hand, it is watched anew.
    client.delete(keys.index("europe"))
    assert run(instance, partition_key="europe").success
    assert reason(tick(now + 100_030)) == "no partition has failed"
    spoil(client, "europe")
    run(instance, partition_key="europe", force=True)
    assert "europe: try 1 in 60 s" in reason(tick(now + 100_060))


def test_every_try_is_a_run_of_its_own(
    tick: Tick, instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    spoil(client, "europe")
    run(instance, tags=ALL)
    tick(0)
    first = [request.run_key for request in tick(60).run_requests or []]
    second = [request.run_key for request in tick(180).run_requests or []]
    assert len(first) == len(second) == 1
    assert first != second


def test_a_cursor_of_a_clock_that_ran_ahead_heals(
    tick: Tick, instance: dg.DagsterInstance, client: redis.Redis
) -> None:
    spoil(client, "europe")
    run(instance, tags=ALL)
    tick(1_000_000)
    assert "europe: try 1 in 60 s" in reason(tick(0))
    assert ranges(tick(60)) == [("europe", "europe")]


@pytest.mark.parametrize(
    "cursor",
    [
        *DAMAGED_CURSORS,
        '{"europe": 1}',
        '{"europe": {"tries": 1100, "due": 0, "given_up": false, "since": 0}}',
    ],
)
def test_a_cursor_that_cannot_be_read_is_a_new_beginning(
    tick: Tick, instance: dg.DagsterInstance, client: redis.Redis, cursor: str
) -> None:
    spoil(client, "europe")
    run(instance, tags=ALL)
    assert "europe: try 1 in 60 s" in reason(tick(0, cursor))


def test_ranges() -> None:
    assert contiguous(MODEL, []) == []
    assert contiguous(MODEL, ["global", "mena", "east-asia"]) == [["mena", "east-asia"], ["global"]]
    assert contiguous(MODEL, REGION_IDS) == [list(REGION_IDS)]
