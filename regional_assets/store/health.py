"""What the store says of its own health: the regions' last runs, and what those who watch the
processes last saw, in a hash with a field per watcher (SPEC 6.9)."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from regional_assets.store.batches import batched
from regional_assets.store.last_runs import LastRun, last_runs
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets.store.wire import confirmation, encode

# Regions without a last run are asked for in messages of so many.
_REGIONS = 500


class Problem(msgspec.Struct, frozen=True):
    """What is wrong, since when (ISO 8601; None: not known), and what to do about it."""

    what: str
    since: str | None = None
    advice: str = ""


class HealthRecord(msgspec.Struct, frozen=True):
    """What one watcher saw at a time (ms): what is wrong, and the states of inputs by name, as of
    `inputs_at` (ms)."""

    at: int
    problems: Sequence[Problem] = ()
    inputs: Mapping[str, str] = msgspec.field(default_factory=dict)
    inputs_at: int = 0


class Seen(msgspec.Struct, frozen=True):
    """Region id → its last run; when each region was last written or confirmed (ms), for those of
    which that is known; the watchers' records by name."""

    runs: Mapping[str, LastRun]
    confirmed: Mapping[str, int]
    records: Mapping[str, HealthRecord]


_decode = msgspec.json.Decoder(HealthRecord).decode


def write_record(store: SnapshotStore, watcher: str, record: HealthRecord) -> None:
    """Puts a watcher's record in the place of its last one. Raises `StoreError`."""
    store.attempt(partial(store.client.hset, store.keys.health, watcher, encode(record)))


def drop_records(store: SnapshotStore) -> None:
    """Takes all records away: nobody is to be missed. Raises `StoreError`."""
    store.attempt(partial(store.client.delete, store.keys.health))


def read_health(store: SnapshotStore) -> Seen:
    """One round trip, and one more for every 500 regions that have no success on record. Raises
    `StoreError` when the server is unavailable."""
    keys = store.keys
    stored, records = _replies(store, [("hgetall", keys.last_runs), ("hgetall", keys.health)])
    runs = last_runs(stored)
    confirmed = {region: run.succeeded_at for region, run in runs.items() if run.succeeded_at}
    unknown = [region for region in store.model.region_ids if region not in confirmed]
    for batch in batched(unknown, _REGIONS):
        asked: list[tuple[Any, ...]] = [("get", keys.confirmed(region)) for region in batch]
        asked += [("zrange", keys.index(region), -1, -1, False, True) for region in batch]
        replies = _replies(store, asked)
        half = len(batch)
        for region, at, newest in zip(batch, replies[:half], replies[half:], strict=True):
            times = [int(score) for _, score in ([] if isinstance(newest, Exception) else newest)]
            times.append((confirmation(at) if isinstance(at, bytes) else 0) or 0)
            if latest := max(times):
                confirmed[region] = latest
    return Seen(runs, confirmed, dict(_records(records)))


def _records(stored: Mapping[bytes, bytes] | Exception) -> Iterator[tuple[str, HealthRecord]]:
    for name, value in {} if isinstance(stored, Exception) else stored.items():
        try:
            yield name.decode(), _decode(value)
        # Of another version, or somebody else's: as good as none.
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue


def _replies(store: SnapshotStore, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    """What the server replies to the client's methods of these names, or its errors."""

    def send() -> list[Any]:
        with store.client.pipeline(transaction=False) as pipeline:
            for name, *arguments in commands:
                getattr(pipeline, name)(*arguments)
            return pipeline.execute(raise_on_error=False)

    return store.attempt(send, patient=False)
