"""What commands ask Dagster's instance, and put on record there."""

from pathlib import Path

import dagster as dg

from regional_assets.defs.known_store import keep_store, known_store
from regional_assets.store.identity import MetStore


def describe_storage(home: Path) -> str:
    """Where the instance of that Dagster home keeps its runs, and how many; raises Dagster's error,
    or the storage's, when it cannot be reached."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        kind = type(instance.run_storage).__name__
        return f"{kind} answers: {instance.get_runs_count()} runs"


def store_on_record(home: Path) -> MetStore | None:
    """The store of the runs of that Dagster home, None before the first."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        return known_store(instance)


def put_on_record(home: Path, store: MetStore) -> None:
    """Makes it the store of the runs of that Dagster home from now on."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        keep_store(instance, store)
