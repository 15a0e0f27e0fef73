"""What is stored, for people to look at."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import msgspec
import redis
from redis.exceptions import NoPermissionError

from regional_assets.errors import StoreError
from regional_assets.intelligence.stored import Transition, read_transitions
from regional_assets.redis_link.refusals import refusal
from regional_assets.store.snapshot_store import SnapshotStore


class WaitingAlerts(msgspec.Struct, frozen=True):
    """The messages that the relay takes next from the alert queue, in that order, and how many
    wait in all."""

    messages: Sequence[bytes]
    total: int


def read_stored_brief(store: SnapshotStore, region: str) -> bytes | None:
    """The region's weekly brief, None when there is none. Raises `StoreError`."""
    stored: bytes | None = _read(store, "GET", store.keys.brief(region))
    return stored


def read_regime_history(store: SnapshotStore, region: str) -> list[bytes]:
    """The entries of the region's regime history, newest first. Raises `StoreError`."""
    entries: list[bytes] = _read(store, "LRANGE", store.keys.regime_history(region), 0, -1)
    return entries


def read_waiting_alerts(store: SnapshotStore, most: int) -> WaitingAlerts:
    """Up to `most` messages of the alert queue, which stay there. Raises `StoreError`, also when
    the key holds no queue."""
    queue = store.keys.alert_queue

    def read() -> WaitingAlerts:
        with store.client.pipeline(transaction=True) as pipeline:
            pipeline.llen(queue)
            # Consumers take from the right end.
            pipeline.lrange(queue, -most, -1)
            total, messages = pipeline.execute()
        return WaitingAlerts(messages[::-1], total)

    return store.attempt(read)


def remove_alerts(store: SnapshotStore, messages: Iterable[bytes]) -> int:
    """Takes these messages out of the alert queue, each once; how many were still there. Raises
    `StoreError`."""
    removed = 0
    for message in messages:
        command = ("LREM", store.keys.alert_queue, -1, message)
        removed += int(store.attempt(partial(store.client.execute_command, *command)))
    return removed


def regions_with_latest(store: SnapshotStore, regions: Sequence[str]) -> set[str]:
    """Those of `regions` whose pointer is there. Raises `StoreError`."""

    def read() -> list[Any]:
        with store.client.pipeline(transaction=False) as pipeline:
            for region in regions:
                pipeline.get(store.keys.latest(region))
            # A key of another type is there, too.
            found: list[Any] = pipeline.execute(raise_on_error=False)
            return found

    latest = zip(regions, store.attempt(read), strict=True)
    return {region for region, found in latest if found is not None}


def regime_changes(
    store: SnapshotStore, region: str, entries: Iterable[bytes]
) -> tuple[list[Transition], list[str]]:
    """The entries of a stored regime history, and what is wrong with those that are damaged."""
    found, damaged = read_transitions(region, entries)
    key = store.keys.regime_history(region)
    return found, [f"{key}: entry {place} is {why}" for place, why in damaged.items()]


def _read(store: SnapshotStore, command: str, key: str, *arguments: int) -> Any:
    send = partial(store.client.execute_command, command, key, *arguments)

    def read() -> Any:
        try:
            return send()
        except redis.ResponseError as error:
            # Any other is about the server, not the key.
            if isinstance(error, NoPermissionError) or str(error).startswith("WRONGTYPE"):
                raise StoreError(f"{key}: {refusal(error)}") from None
            raise

    return store.attempt(read)
