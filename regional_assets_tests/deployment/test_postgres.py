"""Dagster's storage on PostgreSQL: deploy/dagster.yaml as it is, and what doctor says of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from regional_assets.cli.doctor import examine
from regional_assets.runs.clock import current_time
from regional_assets.store.diagnosis import Finding
from regional_assets.store.state_folder import CONFIGURATION
from regional_assets_tests.support.deployment import FILES
from regional_assets_tests.support.many_partitions import (
    each_of_many_is_reported,
    logged,
    ran_many,
)
from regional_assets_tests.support.postgres import Postgres, postgres_server


@pytest.fixture
def postgres(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Postgres]:
    with postgres_server(folder) as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


def storage(folder: Path, written: str) -> Finding:
    """What doctor finds with this dagster.yaml."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text(written)
    nowhere = {"REDIS_URL": f"unix://{folder}/nothing.sock", "REGIONAL_RETRIES": "0"}
    found = examine({"DAGSTER_HOME": str(home), **nowhere}, current_time)
    return next(finding for finding in found if finding.check == "Dagster storage")


def test_the_file_works_and_doctor_says_what_does_not(
    postgres: Postgres, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = (FILES / "dagster.yaml").read_text()
    found = storage(folder, file)
    assert (found.verdict, found.found) == ("ok", "PostgresRunStorage answers: 0 runs")

    url = f"postgresql://dagster:{postgres.password}@127.0.0.1:{postgres.port}/dagster"
    found = storage(folder, f"storage: {{postgres: {{postgres_url: '{url}'}}}}")
    assert found.verdict == "problem"
    assert "write postgresql+psycopg2://" in found.found
    assert postgres.password not in found.found

    monkeypatch.setenv("DAGSTER_POSTGRES_DB", "missing")
    found = storage(folder, file)
    assert found.verdict == "problem"
    assert 'database "missing" does not exist' in found.found
    assert postgres.password not in found.found


@pytest.fixture
def instance(postgres: Postgres, folder: Path) -> Iterator[dg.DagsterInstance]:
    """One with the storage of deploy/dagster.yaml."""
    home = folder / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text((FILES / "dagster.yaml").read_text())
    with dg.DagsterInstance.from_config(str(home)) as opened:
        yield opened


def test_of_many_partitions_each_is_reported(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a batch, which PostgreSQL stores at once, no event is stored by itself."""
    storage = type(instance.event_log_storage)
    assert storage.__name__ == "PostgresEventLogStorage"
    one_by_one: list[str] = []
    store = storage.store_event

    def recording(self: Any, event: dg.EventLogEntry) -> None:
        if event.asset_materialization:
            one_by_one.append(event.run_id)
        store(self, event)

    monkeypatch.setattr(storage, "store_event", recording)
    each_of_many_is_reported(instance)
    assert one_by_one == []


def test_a_batch_stores_the_events_that_dagster_logs(instance: dg.DagsterInstance) -> None:
    plain, batched = logged(instance, ran_many(instance, "both", partition_key="p0").run_id)
    assert plain._replace(timestamp=batched.timestamp) == batched


def shared(file: Path) -> list[str]:
    """What an instance has of its settings, whichever machines it runs on."""
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return lines[lines.index("run_retries:") :]


def test_what_does_not_depend_on_the_machines_is_as_on_one() -> None:
    assert shared(FILES / "dagster.yaml") == shared(CONFIGURATION)
