"""Dagster's storage on PostgreSQL, which keeps connections, and stores the events of the partitions
that a run is going to materialise in batches.

Dagster's own storage opens a connection for each query: a process opens an instance for every run
and tick, and connections of each would add up. Here all instances of a process share them. When it
creates a run, Dagster's own inserts an event for each partition by itself
(https://github.com/dagster-io/dagster/issues/33831).
"""

import os
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self

import dagster as dg
import dagster_postgres
from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage
from dagster_postgres.utils import (
    create_pg_engine,
    get_token_provider_from_config,
    pg_url_from_config,
)
from sqlalchemy import Engine

# As many events as materialisations are stored at once.
_BATCH = "250"
_PLANNED = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED

# Connections that a process keeps: some queries are made while another connection is in use.
_KEPT = 2
# Seconds, fewer than firewalls let a connection be idle: one that is older is replaced before use.
_AGE = 60
# Milliseconds until a server that is gone without a word is noticed. Linux by itself tries for a
# quarter of an hour.
_SILENCE = 10_000

# Address → the connections of this process.
_engines: dict[str, Engine] = {}


def _forget_connections() -> None:
    for engine in _engines.values():
        engine.dispose(close=False)


# The child of a fork leaves its parent's connections alone, and opens its own.
os.register_at_fork(after_in_child=_forget_connections)


class BatchingPostgresStorage(DagsterPostgresStorage):
    """For `storage: custom:` in dagster.yaml; configured as `storage: postgres:` is. Dagster stores
    the events of a batch that fails one by one. `DAGSTER_EVENT_BATCH_SIZE=0` makes no batches."""

    def __init__(self, postgres_url: str, autocreate: bool, token_provider: Any, data: Any) -> None:
        engine = _engines.get(postgres_url)
        # The first storage of a process has created the tables.
        super().__init__(postgres_url, autocreate and engine is None, data, token_provider)
        self._event_log_storage = _EventLog(postgres_url, False, token_provider=token_provider)
        self._run_storage = PostgresRunStorage(postgres_url, False, token_provider=token_provider)
        if engine is None:
            engine = _engines[postgres_url] = _pooled(postgres_url, token_provider)
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            # As their optimize_for_webserver does.
            storage._engine = engine  # noqa: SLF001

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


def _pooled(postgres_url: str, token_provider: Any) -> Engine:
    """What is in use beyond the kept connections is opened and closed as Dagster does it, without a
    limit: a run whose query waits for a connection too long would fail."""
    return create_pg_engine(
        postgres_url,
        token_provider,
        isolation_level="AUTOCOMMIT",
        pool_size=_KEPT,
        max_overflow=-1,
        pool_recycle=_AGE,
        # A connection that the server closed, as when it restarts, is replaced.
        pool_pre_ping=True,
        connect_args={"tcp_user_timeout": _SILENCE},
    )


class PostgresRunStorage(dagster_postgres.PostgresRunStorage):
    """Dagster's own, in which a run ends once."""

    def handle_run_event(
        self, run_id: str, event: dg.DagsterEvent, update_timestamp: datetime | None = None
    ) -> None:
        """A run that has ended stays as it did: the process of one that was given up may come
        back."""
        run = self.get_runs(dg.RunsFilter(run_ids=[run_id]), limit=1)
        if not run or not run[0].is_finished:
            super().handle_run_event(run_id, event, update_timestamp)


class _EventLog(PostgresEventLogStorage):
    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Stores the events of planned partitions all at once or not at all, and the others as
        Dagster does."""
        super().store_event_batch([e for e in events if e.dagster_event_type != _PLANNED])
        planned = [event for event in events if event.dagster_event_type == _PLANNED]
        if not planned:
            return
        insert = self.prepare_insert_event_batch(planned)
        insert = insert.returning(insert.table.c.id)
        with self.index_transaction() as connection:
            ids = [row[0] for row in connection.execute(insert).fetchall()]
            # What Dagster keeps of each asset is of its last event.
            last = {
                event.get_dagster_event().asset_key: (event, event_id)
                for event, event_id in zip(planned, ids, strict=True)
            }
            for event, event_id in last.values():
                self._store_asset_event(connection, event, event_id)
