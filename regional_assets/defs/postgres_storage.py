"""Dagster's storage on PostgreSQL, which stores the events of the partitions that a run is going to
materialise in batches.

Dagster writes one for each partition when it creates a run. Its own storage inserts each by itself,
on two connections (https://github.com/dagster-io/dagster/issues/33831).
"""

import os
from collections.abc import Sequence
from typing import Any, Self

import dagster as dg
from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage
from dagster_postgres.utils import get_token_provider_from_config, pg_url_from_config

# As many events as materialisations are stored at once.
_BATCH = "250"
_PLANNED = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED


class BatchingPostgresStorage(DagsterPostgresStorage):
    """For `storage: custom:` in dagster.yaml; configured as `storage: postgres:` is. Dagster stores
    the events of a batch that fails one by one. `DAGSTER_EVENT_BATCH_SIZE=0` makes no batches."""

    def __init__(self, postgres_url: str, autocreate: bool, token_provider: Any, data: Any) -> None:
        super().__init__(postgres_url, autocreate, data, token_provider)
        self._batching = _EventLog(postgres_url, autocreate, token_provider=token_provider)

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> Self:
        """Dagster's hook: the storage that dagster.yaml describes."""
        # Dagster reads the size of batches from the environment alone; without one it makes none.
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", _BATCH)
        return cls(
            pg_url_from_config(config_value),
            config_value.get("should_autocreate_tables", True),
            get_token_provider_from_config(config_value),
            inst_data,
        )

    @property
    def event_log_storage(self) -> PostgresEventLogStorage:
        """Where Dagster stores events."""
        return self._batching


class _EventLog(PostgresEventLogStorage):
    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Stores the events of planned partitions all at once or not at all, and the others as
        Dagster does."""
        super().store_event_batch([e for e in events if e.dagster_event_type != _PLANNED])
        if planned := [event for event in events if event.dagster_event_type == _PLANNED]:
            self._insert(planned)

    def _insert(self, events: Sequence[dg.EventLogEntry]) -> None:
        insert = self.prepare_insert_event_batch(events)
        insert = insert.returning(insert.table.c.id)
        with self.index_transaction() as connection:
            ids = [row[0] for row in connection.execute(insert).fetchall()]
            # What Dagster keeps of each asset is of its last event.
            last = {
                event.get_dagster_event().asset_key: (event, event_id)
                for event, event_id in zip(events, ids, strict=True)
            }
            for event, event_id in last.values():
                self._store_asset_event(connection, event, event_id)
