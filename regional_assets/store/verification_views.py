"""What is stored of regions, as verification looks at it: views of one moment."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec
import redis
from redis.client import Pipeline

from regional_assets.intelligence.model import Model
from regional_assets.redis_link.refusals import refusal
from regional_assets.redis_link.text import as_text
from regional_assets.store.keys import Keys

# Regions that are looked at, and snapshots that are read, in one round trip. More would block the
# server's other clients for too long.
BATCH = 640


class View(msgspec.Struct, frozen=True):
    """What is stored of a region but for its snapshots, at one moment (`at`, ms, by the server's
    clock): observations and expiries (ms) by key; or why it cannot be read."""

    keys: Keys
    model: Model
    region: str
    at: int
    latest: bytes | None
    index: Sequence[tuple[bytes, float]]
    history: Sequence[bytes]
    confirmed: bytes | None
    copy: bytes | None
    observed: Mapping[str, Sequence[tuple[bytes, float]]]
    expiries: Mapping[str, int]
    errors: Sequence[str]

    @property
    def times(self) -> dict[str, float]:
        """The index: snapshot id → time (ms)."""
        return {as_text(member): at for member, at in self.index}

    def is_same(self, other: "View") -> bool:
        """Whether no run wrote a snapshot between the two looks."""
        return (self.latest, self.index, self.history) == (other.latest, other.index, other.history)


class Stored(msgspec.Struct, frozen=True):
    """A snapshot by id, what is at its time, and when the two expire (ms)."""

    body: bytes | None
    copy: bytes | None
    expires_at: int
    copy_expires_at: int


def look(client: redis.Redis, keys: Keys, model: Model, regions: Sequence[str]) -> list[View]:
    """Each region as it is stored, all at one moment; one round trip."""
    # One transaction gives a view of one moment; a snapshot never changes under its id.
    with client.pipeline(transaction=True) as pipeline:
        pipeline.time()
        observed = {region: _queue_look(pipeline, keys, model, region) for region in regions}
        time, *answers = pipeline.execute(raise_on_error=False)
    replies = iter(answers)
    views = []
    for region, (names, of_triggers) in observed.items():
        expiries = list(islice(replies, len(names)))
        values = list(islice(replies, len(names)))
        latest, index, history, confirmed, copy, *of_region = values
        views.append(
            View(
                keys,
                model,
                region,
                milliseconds(time),
                latest,
                index,
                history,
                confirmed,
                copy,
                observed=dict(zip(of_triggers, of_region, strict=True)),
                expiries=dict(zip(names, expiries, strict=True)),
                errors=[
                    f"{name}: {refusal(reply)}"
                    for name, reply in zip(names, values, strict=True)
                    if isinstance(reply, Exception)
                ],
            )
        )
    return views


def _queue_look(
    pipeline: Pipeline, keys: Keys, model: Model, region: str
) -> tuple[list[str], list[str]]:
    """Queues the reads of a region: of each key the expiry, then of each the value. Returns the
    keys, and those of them that hold observations."""
    triggers = [t for t in model.applicable_triggers if t.region == region]
    observed = [keys.observations(region, t.metric) for t in triggers]
    names = [
        *(keys.latest(region), keys.index(region), keys.regime_history(region)),
        keys.confirmed(region),
        keys.latest_body(region),
        *observed,
    ]
    for name in names:
        pipeline.pexpiretime(name)
    pipeline.get(names[0])
    pipeline.zrange(names[1], 0, -1, withscores=True)
    pipeline.lrange(names[2], 0, -1)
    pipeline.get(names[3])
    pipeline.get(names[4])
    for name in observed:
        pipeline.zrange(name, 0, -1, withscores=True)
    return names, observed


def stored_snapshots(
    client: redis.Redis, keys: Keys, members: Iterable[tuple[str, str, float]]
) -> Iterator[Stored]:
    """What is stored of each snapshot (region, id, time in ms), in their order. It is read in
    batches across regions, so that few are held at a time."""
    waiting = iter(members)
    while batch := list(islice(waiting, BATCH)):
        by_id = [keys.snapshot_by_id(id) for _, id, _ in batch]
        by_time = [keys.snapshot_at(region, f"{at:.0f}") for region, _, at in batch]
        with client.pipeline(transaction=False) as pipeline:
            # MGET, unlike GET, treats a key of another type as absent.
            pipeline.mget(by_id)
            pipeline.mget(by_time)
            for name in (*by_id, *by_time):
                pipeline.pexpiretime(name)
            bodies, copies, *expiries = pipeline.execute()
        size = len(batch)
        yield from map(Stored, bodies, copies, expiries[:size], expiries[size:])


def bodies_of(client: redis.Redis, keys: Keys, snapshot_ids: Sequence[str]) -> list[bytes | None]:
    """The stored snapshots with these ids, None for one that is absent."""
    found: Any = client.mget([keys.snapshot_by_id(id) for id in snapshot_ids])
    return list(found)


def milliseconds(time: tuple[int, int]) -> int:
    """The server's time (s, µs) in ms."""
    return time[0] * 1000 + time[1] // 1000
