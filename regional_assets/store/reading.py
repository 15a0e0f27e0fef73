"""What is stored of one region, for people to look at."""

from functools import partial
from typing import Any

import redis
from redis.exceptions import NoPermissionError

from regional_assets.store.connection import refusal
from regional_assets.store.errors import StoreError
from regional_assets.store.snapshot_store import SnapshotStore


def read_stored_brief(store: SnapshotStore, region: str) -> bytes | None:
    """The region's weekly brief, None when there is none. Raises `StoreError`."""
    stored: bytes | None = _read(store, "GET", store.keys.brief(region))
    return stored


def read_regime_history(store: SnapshotStore, region: str) -> list[bytes]:
    """The entries of the region's regime history, newest first. Raises `StoreError`."""
    entries: list[bytes] = _read(store, "LRANGE", store.keys.regime_history(region), 0, -1)
    return entries


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
