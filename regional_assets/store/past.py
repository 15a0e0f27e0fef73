"""What is stored of the past of several regions, in few round trips and bounded memory."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

import msgspec
import redis

from regional_assets.intelligence.baselines import Observation
from regional_assets.redis_link.refusals import refusal
from regional_assets.redis_link.text import as_text
from regional_assets.store.batches import batched
from regional_assets.store.keys import Keys
from regional_assets.store.last_runs import LastRun, last_runs
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets.store.wire import observations

# A body is some 20 kB, and so is the index of 90 days: a command copies 2 MB of bodies, and a round
# trip carries 8 MB of either.
_PER_COMMAND = 100
_PER_TRIP = 400


class Past(msgspec.Struct, frozen=True):
    """What is stored of a region besides its latest snapshot.

    `entries` are the snapshot ids of its index with their times (ms) since the time asked for,
    oldest first, and `newest` the last two of the whole index; `transitions` the entries of its
    regime history, newest first; `observed` the last observation of each metric that has one.
    `problems` names the keys that cannot be read, and why.
    """

    entries: Sequence[tuple[str, float]] = ()
    newest: Sequence[tuple[str, float]] = ()
    transitions: Sequence[bytes] = ()
    observed: Mapping[str, Observation] = msgspec.field(default_factory=dict)
    problems: Sequence[str] = ()


def read_pasts(
    store: SnapshotStore, metrics: Mapping[str, Sequence[str]], since: int, changes: int
) -> tuple[dict[str, Past], dict[str, LastRun]]:
    """The past of each region since that time (ms), its last `changes` regime changes and the last
    observations of its `metrics`; and the last runs of all regions, in one round trip. Raises
    `StoreError` when the server is unavailable."""

    keys = store.keys

    def read() -> list[Any]:
        with store.client.pipeline(transaction=False) as pipeline:
            for region, names in metrics.items():
                index = keys.index(region)
                pipeline.zrange(index, since, "+inf", byscore=True, withscores=True)
                pipeline.zrange(index, -2, -1, withscores=True)
                pipeline.lrange(keys.regime_history(region), 0, changes - 1)
                for name in names:
                    pipeline.zrange(keys.observations(region, name), -1, -1)
            pipeline.hgetall(keys.last_runs)
            return pipeline.execute(raise_on_error=False)

    *found, runs = store.attempt(read)
    replies = iter(found)
    pasts = {region: _past(keys, region, names, replies) for region, names in metrics.items()}
    return pasts, last_runs(runs)


class StoredHistory(msgspec.Struct, frozen=True):
    """All snapshots of a region's index, oldest first: id, generated_at (ms) and body, None for one
    that is absent; or the server's error when the index cannot be read."""

    snapshots: Sequence[tuple[str, float, bytes | None]] = ()
    error: str | None = None


def read_histories(
    store: SnapshotStore, regions: Sequence[str]
) -> Iterator[tuple[str, StoredHistory]]:
    """The history of each region, read lazily: the indexes of up to 400 regions in a round trip,
    then their bodies, up to 400 in each. Raises `StoreError` when the server is unavailable."""
    for batch in batched(regions, _PER_TRIP):
        names = [store.keys.index(region) for region in batch]
        indexes = [
            reply if isinstance(reply, Exception) else _entries(reply)
            for reply in store.attempt(partial(_read_indexes, store.client, names))
        ]
        readable = [index for index in indexes if not isinstance(index, Exception)]
        bodies = read_bodies(store, (snapshot_id for index in readable for snapshot_id, _ in index))
        for region, name, index in zip(batch, names, indexes, strict=True):
            if isinstance(index, Exception):
                yield region, StoredHistory(error=f"{name}: {refusal(index)}")
            else:
                # Whole, so that the next region's bodies come next, whatever becomes of this one.
                found = zip(index, islice(bodies, len(index)), strict=True)
                yield region, StoredHistory([(*entry, body) for entry, body in found])


def read_bodies(store: SnapshotStore, snapshot_ids: Iterable[str]) -> Iterator[bytes | None]:
    """The stored snapshots with these ids, None for one that is absent; read lazily, up to 400 in a
    round trip. Raises `StoreError` when the server is unavailable."""
    for batch in batched(map(store.keys.snapshot_by_id, snapshot_ids), _PER_TRIP):
        yield from store.attempt(partial(_mget, store.client, batch))


def _mget(client: redis.Redis, names: Sequence[str]) -> list[bytes | None]:
    with client.pipeline(transaction=False) as pipeline:
        for command in batched(names, _PER_COMMAND):
            pipeline.mget(command)
        return [body for reply in pipeline.execute() for body in reply]


def _read_indexes(client: redis.Redis, names: Iterable[str]) -> list[Any]:
    with client.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.zrange(name, 0, -1, withscores=True)
        return pipeline.execute(raise_on_error=False)


def _entries(index: Iterable[tuple[bytes, float]]) -> list[tuple[str, float]]:
    return [(as_text(member), at) for member, at in index]


def _past(keys: Keys, region: str, metrics: Sequence[str], replies: Iterator[Any]) -> Past:
    problems: list[str] = []

    def found(name: str) -> Any:
        reply = next(replies)
        if isinstance(reply, Exception):
            problems.append(f"{name}: {refusal(reply)}")
            return ()
        return reply

    entries, newest = (_entries(found(keys.index(region))) for _ in range(2))
    transitions = found(keys.regime_history(region))
    observed: dict[str, Observation] = {}
    for metric in metrics:
        name = keys.observations(region, metric)
        try:
            if last := observations(found(name)):
                [observed[metric]] = last
        except ValueError:
            problems.append(f"{name} holds something else than observations")
    # The index is read twice.
    return Past(entries, newest, transitions, observed, list(dict.fromkeys(problems)))
