"""What is stored of the past of several regions, in two round trips."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import redis

from regional_assets.intelligence.baselines import Observation
from regional_assets.store.connection import refusal
from regional_assets.store.keys import Keys
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets.store.wire import as_text, observations

# A body is some 20 kB: a command copies 2 MB, and a round trip carries 8 MB.
_PER_COMMAND = 100
_PER_TRIP = 400


@dataclass(frozen=True, slots=True)
class Past:
    """What is stored of a region besides its latest snapshot.

    `entries` are the snapshot ids of its index with their times (ms) since the time asked for,
    oldest first, and `newest` the last two of the whole index; `transitions` the entries of its
    regime history, newest first; `observed` the last observation of each metric that has one.
    `problems` names the keys that cannot be read, and why.
    """

    entries: Sequence[tuple[str, float]] = ()
    newest: Sequence[tuple[str, float]] = ()
    transitions: Sequence[bytes] = ()
    observed: Mapping[str, Observation] = field(default_factory=dict)
    problems: Sequence[str] = ()


def read_pasts(
    store: SnapshotStore, metrics: Mapping[str, Sequence[str]], since: int, changes: int
) -> dict[str, Past]:
    """The past of each region since that time (ms), its last `changes` regime changes and the last
    observations of its `metrics`, in one round trip. Raises `StoreError` when the server is
    unavailable."""

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
            return pipeline.execute(raise_on_error=False)

    replies = iter(store.attempt(read))
    return {region: _past(keys, region, names, replies) for region, names in metrics.items()}


def read_bodies(store: SnapshotStore, snapshot_ids: Sequence[str]) -> dict[str, bytes | None]:
    """The stored snapshots by id, None for one that is absent; up to 400 in a round trip. Raises
    `StoreError` when the server is unavailable."""
    found: dict[str, bytes | None] = {}
    for start in range(0, len(snapshot_ids), _PER_TRIP):
        ids = snapshot_ids[start : start + _PER_TRIP]
        names = [store.keys.snapshot_by_id(i) for i in ids]
        bodies = store.attempt(partial(_mget, store.client, names))
        found |= dict(zip(ids, bodies, strict=True))
    return found


def _mget(client: redis.Redis, names: Sequence[str]) -> list[bytes | None]:
    with client.pipeline(transaction=False) as pipeline:
        for start in range(0, len(names), _PER_COMMAND):
            pipeline.mget(names[start : start + _PER_COMMAND])
        return [body for reply in pipeline.execute() for body in reply]


def _past(keys: Keys, region: str, metrics: Sequence[str], replies: Iterator[Any]) -> Past:
    problems: list[str] = []

    def found(name: str) -> Any:
        reply = next(replies)
        if isinstance(reply, Exception):
            problems.append(f"{name}: {refusal(reply)}")
            return ()
        return reply

    entries, newest = (
        [(as_text(member), at) for member, at in found(keys.index(region))] for _ in range(2)
    )
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
