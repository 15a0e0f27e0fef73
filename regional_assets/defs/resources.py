"""Dagster resources: thin wrappers round the rooms that do the work."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg

from regional_assets.runs.clock import current_time
from regional_assets.settings import StoreSettings
from regional_assets.store import keys

if TYPE_CHECKING:
    from regional_assets.narrative.narrator import Narrator
    from regional_assets.store.snapshot_store import SnapshotStore


class SnapshotStoreResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Redis as the environment names it (`REDIS_URL`, else the embedded server).

    It has no configuration of its own, so that no password can appear in the Dagster UI.
    """

    def settings(self) -> StoreSettings:
        """Which server, and how patient; raises `SettingsError`."""
        return StoreSettings.from_environment()

    def snapshot_expiry(self) -> int:
        """How long snapshots are kept, in seconds."""
        return keys.SNAPSHOT_EXPIRY

    @contextmanager
    def open(self) -> "Iterator[SnapshotStore]":
        """The store, its connections closed at the end."""
        from regional_assets.store.snapshot_store import SnapshotStore

        store = SnapshotStore.open(self.settings(), self.snapshot_expiry())
        try:
            yield store
        finally:
            store.client.close()


class ClockResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The time a run is of; a replay sets another than the machine's."""

    def now(self) -> int:
        """In ms since the epoch."""
        return current_time()


class NarratorResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The language models that the environment names (`REGIONAL_NARRATIVE_PROVIDERS`), if any.

    It has no configuration of its own, so that no key can appear in the Dagster UI.
    """

    def open(self) -> "Narrator | None":
        """The narrator; None when narratives are off. It holds nothing until it is asked."""
        from regional_assets.narrative.narrator import Narrator

        return Narrator.from_environment()

    def why_not(self) -> str | None:
        """Why no model can be asked; None when one can."""
        narrator = self.open()
        if narrator is None:
            return (
                "no language model is configured: set REGIONAL_NARRATIVE_PROVIDERS (README, "
                "Narratives and weekly briefs)"
            )
        return narrator.problem or None
