"""The loop that this project replaces: region after region, command by command.

It computes with the project's own code, so that only how it talks to Redis is compared.
"""

import json
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import Executor

import redis

from regional_assets.intelligence.diff import read_previous
from regional_assets.intelligence.inputs import StoredValue
from regional_assets.intelligence.model import BUILT_IN
from regional_assets.intelligence.snapshot import Assessment, assess, complete, region_content
from regional_assets.intelligence.world import build_world
from regional_assets.store.keys import (
    DEDUP_EXPIRY,
    REGIME_HISTORY_LENGTH,
    SNAPSHOT_EXPIRY,
    SUMMARY_EXPIRY,
    Keys,
)
from regional_assets.store.wire import encode

keys = Keys()


def take_snapshots_in_sequence(client: redis.Redis, now: int) -> None:
    """All regions, one after the other."""
    _run(client, now, map)


def take_snapshots_in_threads(client: redis.Redis, now: int, threads: Executor) -> None:
    """All regions, side by side."""
    _run(client, now, threads.map)


def _run(
    client: redis.Redis,
    now: int,
    each: Callable[[Callable[[str], None], Iterable[str]], Iterable[None]],
) -> None:
    with client.pipeline(transaction=False) as pipeline:
        for key in BUILT_IN.input_keys:
            pipeline.get(key)
        stored = dict(zip(BUILT_IN.input_keys, map(StoredValue, pipeline.execute()), strict=True))
    assessment = assess(build_world(BUILT_IN, stored, now))
    list(each(lambda region: take_snapshot(client, assessment, region), BUILT_IN.region_ids))
    with client.pipeline(transaction=False) as pipeline:
        pipeline.set(keys.summary, b"{}", ex=SUMMARY_EXPIRY)
        pipeline.set(keys.summary_seed_meta, b"{}", ex=SUMMARY_EXPIRY)
        pipeline.execute()


def take_snapshot(client: redis.Redis, assessment: Assessment, region: str) -> None:
    """One region: two reads for the snapshot before, a dedup marker, a pipeline of writes."""
    previous = None
    latest = client.get(keys.latest(region))
    if isinstance(latest, bytes):
        body = client.get(keys.snapshot_by_id(latest.decode()))
        assert isinstance(body, bytes)
        previous = read_previous(region, latest.decode(), body, BUILT_IN.stored_versions)
    now = assessment.world.now
    snapshot_id = str(uuid.uuid4())
    snapshot = complete(region_content(assessment, region), previous, snapshot_id)
    # Always a new one: a run that writes is measured, not one that finds duplicates.
    if not client.set(keys.dedup(region, snapshot_id), "1", nx=True, ex=DEDUP_EXPIRY):
        return
    body = encode(snapshot.body)
    with client.pipeline(transaction=False) as pipeline:
        pipeline.set(keys.snapshot_at(region, now), body, ex=SNAPSHOT_EXPIRY)
        pipeline.set(keys.snapshot_by_id(snapshot_id), body, ex=SNAPSHOT_EXPIRY)
        pipeline.set(keys.latest(region), snapshot_id, ex=SNAPSHOT_EXPIRY)
        pipeline.zadd(keys.index(region), {snapshot_id: now})
        oldest = now - SNAPSHOT_EXPIRY * 1000
        pipeline.zremrangebyscore(keys.index(region), "-inf", f"({oldest}")
        pipeline.delete(keys.live(region))
        if snapshot.history_entry:
            pipeline.lpush(keys.regime_history(region), json.dumps(snapshot.history_entry))
            pipeline.ltrim(keys.regime_history(region), 0, REGIME_HISTORY_LENGTH - 1)
        pipeline.execute()
