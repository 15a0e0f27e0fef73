"""Weekly briefs in Redis: one read of their sources, one independent write per brief, and their
summary (SPEC 6, Weekly brief)."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

import msgspec
import redis
from redis.client import Pipeline

from regional_assets.intelligence.stored import WeeklyBrief
from regional_assets.redis_link.refusals import refusal
from regional_assets.redis_link.scripts import Call, Script, run
from regional_assets.store.batches import batched
from regional_assets.store.keys import BRIEF_EXPIRY
from regional_assets.store.latest import LatestRead, StoredSnapshot
from regional_assets.store.snapshot_store import REGIONS_PER_CALL, SnapshotStore, Summary
from regional_assets.store.wire import encode

_READ = Script.load(__package__, "read_briefs.lua", read_only=True)

# The platform's other reader of the history looks at as many regime changes.
_ENTRIES = 50


class BriefRead(msgspec.Struct, frozen=True):
    """A region's latest snapshot, its newest regime changes and its brief as they are stored
    (None or empty where there is none); or the server's error when one cannot be read."""

    snapshot: StoredSnapshot | None = None
    history: Sequence[bytes] = ()
    brief: bytes | None = None
    error: str | None = None


class BriefStore:
    """The weekly briefs in a store. Lost commands are repeated as the store repeats them."""

    def __init__(self, store: SnapshotStore) -> None:
        self._store = store
        self.model = store.model
        self._client = store.client
        self._keys = store.keys

    def read(self, regions: Sequence[str]) -> dict[str, BriefRead]:
        """The sources of the briefs of `regions`: one round trip, and one for every 100 snapshots.
        Raises `StoreError` when the server is unavailable."""
        keys = self._keys
        kinds = (keys.latest, keys.confirmed, keys.regime_history, keys.brief)
        calls = [
            Call(_READ, [key(region) for region in batch for key in kinds], [_ENTRIES])
            for batch in batched(regions, REGIONS_PER_CALL)
        ]

        def read() -> list[Any]:
            replies = run(self._client, calls)
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
            return list(chain(*replies))

        found = dict(zip(regions, self._store.attempt(read, patient=False), strict=True))
        latest = self._store.latest({region: _pointer(reply) for region, reply in found.items()})
        return {region: _read(reply, latest[region]) for region, reply in found.items()}

    def briefs(self, regions: Sequence[str]) -> dict[str, bytes | None]:
        """The stored briefs (None where there is none, or a key of another type), in one round
        trip. Raises `StoreError` when the server is unavailable."""
        names = [self._keys.brief(region) for region in regions]
        found = self._store.attempt(partial(self._client.execute_command, "MGET", *names))
        return dict(zip(regions, found, strict=True))

    def write(self, briefs: Mapping[str, WeeklyBrief]) -> dict[str, str]:
        """Stores each brief independently, all in one round trip. Returns the server's error for
        each that it refused. Raises `StoreError` when the server is unavailable; writing them
        again is safe."""

        def write() -> list[Any]:
            with self._client.pipeline(transaction=False) as pipeline:
                for region, brief in briefs.items():
                    pipeline.set(self._keys.brief(region), encode(brief), ex=BRIEF_EXPIRY)
                return pipeline.execute(raise_on_error=False)

        replies = self._store.attempt(write)
        return {
            region: f"{self._keys.brief(region)}: {refusal(reply)}"
            for region, reply in zip(briefs, replies, strict=True)
            if isinstance(reply, redis.RedisError)
        }

    def update_summary(
        self, regions: Sequence[str], summarise: Callable[[dict[str, bytes | None]], Summary]
    ) -> None:
        """Stores the summary that `summarise` makes of the stored briefs of `regions`, and its
        seed-meta: both or neither. `summarise` is called again when a brief changed meanwhile.
        Raises `StoreError` when the server is unavailable, or after the region deadline."""
        names = [self._keys.brief(region) for region in regions]

        def update(pipeline: Pipeline) -> None:
            summary = summarise(self.briefs(regions))
            pipeline.multi()
            pipeline.set(self._keys.brief_summary, encode(summary.summary), ex=BRIEF_EXPIRY)
            pipeline.set(self._keys.brief_seed_meta, encode(summary.seed_meta), ex=BRIEF_EXPIRY)

        self._store.transaction(update, names)


def _pointer(reply: list[bytes]) -> list[bytes] | None:
    return reply[:2] if reply[0] else None


def _read(reply: list[bytes], latest: LatestRead) -> BriefRead:
    if latest.error:
        return BriefRead(error=latest.error)
    _, _, brief, *history = reply
    return BriefRead(latest.snapshot, history, brief or None)
