"""Dagster resources: thin wrappers round the rooms that do the work."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from regional_assets.store.settings import StoreSettings
from regional_assets.store.snapshot_store import SnapshotStore


class SnapshotStoreResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Redis as the environment names it (`REDIS_URL`, else the embedded server).

    It has no configuration of its own, so that no password can appear in the Dagster UI.
    """

    @contextmanager
    def open(self) -> Iterator[SnapshotStore]:
        """The store, its connections closed at the end."""
        store = SnapshotStore.open(StoreSettings.from_environment())
        try:
            yield store
        finally:
            store.client.close()
