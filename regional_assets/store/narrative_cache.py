"""The cache of language models' answers: for a day, the same question is paid for once (SPEC 8).

A key of the wrong type counts as a miss when it is read, and is replaced when it is written.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from regional_assets.store.keys import NARRATIVE_EXPIRY
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets.store.wire import encode


def read_cache(store: SnapshotStore, digests: Mapping[str, str]) -> dict[str, bytes]:
    """The cached values for the prompts with these digests, by region, in one round trip. Regions
    without one are left out. Raises `StoreError` when the server is unavailable."""
    names = [store.keys.narrative(region, digest) for region, digest in digests.items()]
    if not names:
        return {}
    found = store.attempt(partial(store.client.execute_command, "MGET", *names), patient=False)
    return {region: value for region, value in zip(digests, found, strict=True) if value}


def write_cache(
    store: SnapshotStore, digests: Mapping[str, str], values: Mapping[str, Mapping[str, Any]]
) -> None:
    """Stores `values`, by region, in one round trip. Raises `StoreError` when the server is
    unavailable or refuses."""

    def write() -> None:
        with store.client.pipeline(transaction=False) as pipeline:
            for region, value in values.items():
                name = store.keys.narrative(region, digests[region])
                pipeline.set(name, encode(value), ex=NARRATIVE_EXPIRY)
            pipeline.execute()

    if values:
        store.attempt(write, patient=False)
