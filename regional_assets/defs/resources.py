"""Dagster resources: thin wrappers around the rooms that do the work."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Self

import dagster as dg
from pydantic import PrivateAttr

from regional_assets.dagster_kit.heartbeat import beating
from regional_assets.dagster_kit.liveness import alive
from regional_assets.defs.known_store import RunRecord
from regional_assets.errors import STORE_ERRORS
from regional_assets.intelligence.model import Model
from regional_assets.runs.clock import current_time
from regional_assets.settings import StoreSettings
from regional_assets.store.keys import SNAPSHOT_EXPIRY

if TYPE_CHECKING:
    from regional_assets.narrative.narrator import Narrator
    from regional_assets.store.snapshot_store import SnapshotStore


class SnapshotStoreResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Redis as the environment names it (`REDIS_URL`, else the embedded server).

    It has no configuration, so that no password can appear in the Dagster UI. Every job needs it,
    so it also shows that a run is alive (`liveness`), for as long as Dagster provides it to one.
    A store that it opens for a run or a tick is that on record (`known_store`), or fails.
    """

    _record: RunRecord | None = PrivateAttr(None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Self]:
        """Dagster's hook around a run or a tick."""
        if context.instance:
            self._record = RunRecord(context.instance, context)
        with ExitStack() as stack:
            if context.run and context.instance and context.log:
                try:
                    stack.enter_context(alive(context.instance.root_directory, context.run.run_id))
                except OSError as error:
                    # The run does not depend on it.
                    context.log.warning(f"killed, this run ends late: {error}")
                stack.enter_context(beating(context.instance, context.run.run_id))
            yield self

    def settings(self) -> StoreSettings:
        """The server's address and the timeouts; raises `SettingsError`."""
        return StoreSettings.from_environment()

    def snapshot_expiry(self) -> int:
        """How long snapshots are kept, in seconds."""
        return SNAPSHOT_EXPIRY

    @contextmanager
    def open(self, model: Model) -> "Iterator[SnapshotStore]":
        """The store of the model's data; closes its connections at the end."""
        from regional_assets.store.snapshot_store import SnapshotStore

        store = SnapshotStore.open(model, self.settings(), self.snapshot_expiry(), self._record)
        try:
            yield store
        finally:
            store.client.close()

    @contextmanager
    def open_or_fail(self, model: Model) -> "Iterator[SnapshotStore]":
        """The same for a step: a store that does not serve, and a setting that is wrong, fail it
        with their message alone, which a traceback would bury."""
        try:
            with self.open(model) as store:
                yield store
        except STORE_ERRORS as error:
            raise dg.Failure(str(error)) from None


class ClockResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The time as of which runs compute and sensors decide; a replay replaces it."""

    def now(self) -> int:
        """Milliseconds since the epoch."""
        return current_time()


class NarratorResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The language models that the environment names (`REGIONAL_NARRATIVE_PROVIDERS`), if any.

    It has no configuration, so that no key can appear in the Dagster UI.
    """

    def open(self) -> "Narrator | None":
        """The narrator; None when narratives are off. It opens no connection until it is asked."""
        from regional_assets.narrative.narrator import Narrator

        return Narrator.from_environment()

    def why_not(self) -> str | None:
        """Why no model can be asked; None when one can."""
        narrator = self.open()
        if narrator is None:
            return (
                "no language model is configured: set REGIONAL_NARRATIVE_PROVIDERS (see "
                "docs/operations.md)"
            )
        return narrator.problem or None


def resources(model: Model) -> dict[str, Any]:
    """The resources of the model's definitions."""
    return {
        "regional_model": model,
        "regional_store": SnapshotStoreResource(),
        "regional_clock": ClockResource(),
        "regional_narrator": NarratorResource(),
    }
