"""Dagster resources: thin wrappers round the rooms that do the work."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from regional_assets.snapshot_run import current_time
from regional_assets.store.settings import StoreSettings
from regional_assets.store.snapshot_store import SnapshotStore


class SnapshotStoreResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Redis as the environment names it (`REDIS_URL`, else the embedded server).

    It has no configuration of its own, so that no password can appear in the Dagster UI.
    """

    def settings(self) -> StoreSettings:
        """Which server, and how patient; raises `SettingsError`."""
        return StoreSettings.from_environment()

    @contextmanager
    def open(self) -> Iterator[SnapshotStore]:
        """The store, its connections closed at the end."""
        store = SnapshotStore.open(self.settings())
        try:
            yield store
        finally:
            store.client.close()


class ClockResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The time a run is of; a replay sets another than the machine's."""

    def now(self) -> int:
        """In ms since the epoch."""
        return current_time()
