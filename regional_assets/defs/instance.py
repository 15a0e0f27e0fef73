"""What commands ask Dagster's instance, and put on record there."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import dagster as dg

from regional_assets.dagster_kit.overdue import Overdue, overdue
from regional_assets.defs.known_store import keep_store, known_store
from regional_assets.errors import SettingsError
from regional_assets.redis_link.text import one_line
from regional_assets.store.identity import MetStore
from regional_assets.store.state_folder import creating_storage, has_storage

# Seen with SQLAlchemy 2.1: nothing of psycopg is installed, or psycopg 3 and events fail.
_DRIVER = (
    "the address of PostgreSQL leads to psycopg 3, which Dagster cannot use: SQLAlchemy from 2.1 "
    "on takes it for postgresql://; write postgresql+psycopg2://, or scheme: postgresql+psycopg2"
)


@contextmanager
def open_instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """Dagster's instance of that Dagster home; the first to open it creates its storage. Raises
    `SettingsError` with the reason when its dagster.yaml is wrong, or its storage cannot be
    reached, and OSError where the home cannot be written."""
    with nullcontext() if has_storage(home) else creating_storage(home):
        instance = _instance(home)
    with instance:
        yield instance


def _instance(home: Path) -> dg.DagsterInstance:
    try:
        return dg.DagsterInstance.from_config(str(home))
    except ModuleNotFoundError as error:
        if error.name == "psycopg":
            raise SettingsError(_DRIVER) from None
        raise SettingsError(
            f"the package {error.name} is not installed, which {home}/dagster.yaml needs: "
            "pip install 'regional_assets[postgres,celery]'"
        ) from None
    # Of Dagster, SQLAlchemy, a driver, or whatever dagster.yaml names.
    except Exception as error:
        # dagster-postgres hides the reason behind "too many retries".
        reason = one_line(error.__cause__ or error)
        raise SettingsError(
            f"Dagster's instance of {home} cannot be opened (see its dagster.yaml): {reason}"
        ) from error


def describe_storage(home: Path) -> str:
    """Where the instance of that Dagster home keeps its runs, and how many. Raises `SettingsError`,
    also for a driver that Dagster cannot use, and the storage's errors."""
    with open_instance(home) as instance:
        storage = instance.run_storage
        _check_driver(getattr(storage, "postgres_url", ""))
        return f"{type(storage).__name__} answers: {instance.get_runs_count()} runs"


def overdue_in(home: Path, names: Collection[str], now: float) -> list[Overdue]:
    """What the instance of that Dagster home should have done by `now` (s) with the schedules and
    sensors of these names."""
    with open_instance(home) as instance:
        return list(overdue(instance, names, now))


def _check_driver(url: str) -> None:
    if url.startswith(("postgresql://", "postgres://", "postgresql+psycopg://")):
        raise SettingsError(_DRIVER)


def store_on_record(home: Path) -> MetStore | None:
    """The store of the runs of that Dagster home, None before the first."""
    with open_instance(home) as instance:
        return known_store(instance)


def put_on_record(home: Path, store: MetStore) -> None:
    """Makes it the store of the runs of that Dagster home from now on."""
    with open_instance(home) as instance:
        keep_store(instance, store)
