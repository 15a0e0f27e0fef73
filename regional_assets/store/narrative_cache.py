"""Answers of language models, kept for a day so that the same question is paid for once (SPEC 8).

A value of a wrong type is a miss when it is read, and replaced when it is written.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from regional_assets.store import keys
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets.store.wire import encode


def read_cache(store: SnapshotStore, digests: Mapping[str, str]) -> dict[str, bytes]:
    """What is kept for the prompts of these digests, by region, in one round trip; regions
    without are left out. Raises `StoreError` when the server does not serve."""
    names = [keys.narrative(region, digest) for region, digest in digests.items()]
    if not names:
        return {}
    found = store.attempt(partial(store.client.execute_command, "MGET", *names), patient=False)
    return {region: value for region, value in zip(digests, found, strict=True) if value}


def write_cache(
    store: SnapshotStore, digests: Mapping[str, str], values: Mapping[str, Mapping[str, Any]]
) -> None:
    """Keeps `values`, by region, in one round trip. Raises `StoreError` when the server does not
    serve or refuses."""

    def write() -> None:
        with store.client.pipeline(transaction=False) as pipeline:
            for region, value in values.items():
                name = keys.narrative(region, digests[region])
                pipeline.set(name, encode(value), ex=keys.NARRATIVE_EXPIRY)
            pipeline.execute()

    if values:
        store.attempt(write, patient=False)
