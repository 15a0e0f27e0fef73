"""One run over four partitions, each of which reports for itself, on a real instance."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from regional_assets.defs.dagster_private import DATA_VERSION_TAG
from regional_assets.defs.partitions import range_tags
from regional_assets_tests.support import quarters
from regional_assets_tests.support.dagster_runs import materialisations, values
from regional_assets_tests.support.quarters import QUARTERS, quarter
from regional_assets_tests.support.servers import free_port, stop_group
from regional_assets_tests.support.ui import with_short_rounds
from regional_assets_tests.support.waiting import PATIENCE, eventually


def run(instance: dg.DagsterInstance, **options: Any) -> dg.ExecuteInProcessResult:
    job = quarters.defs.resolve_job_def("quarter_job")
    return job.execute_in_process(instance=instance, raise_on_error=False, **options)


def statuses(instance: dg.DagsterInstance) -> dict[str, str]:
    found = instance.get_status_by_partition(quarter.key, QUARTERS, quarters.PARTITIONS) or {}
    return {partition: status.value for partition, status in found.items() if status}


def failure(result: dg.ExecuteInProcessResult) -> tuple[str, dict[str, Any]]:
    [event] = result.get_step_failure_events()
    data = event.step_failure_data.user_failure_data
    assert data is not None
    return data.description or "", {name: value.value for name, value in data.metadata.items()}


def test_one_of_four_fails_alone(
    instance: dg.DagsterInstance, capfd: pytest.CaptureFixture[str]
) -> None:
    result = run(instance, tags=range_tags(*QUARTERS))
    assert not result.success
    assert statuses(instance) == {
        "north": "MATERIALIZED",
        "east": "MATERIALIZED",
        "south": "FAILED",
        "west": "MATERIALIZED",
    }
    found = materialisations(instance, result.run_id, quarter.key)
    assert list(found) == ["north", "east", "west"]
    assert [values(m) for m in found.values()] == [{"letters": 5}, {"letters": 4}, {"letters": 4}]
    assert [(m.tags or {})[DATA_VERSION_TAG] for m in found.values()] == [
        "v-north",
        "v-east",
        "v-west",
    ]
    error = "KeyError: 'roof'"
    assert failure(result) == (f"1 of 4 partitions failed: south: {error}", {"south": error})
    assert "raise broken[partition]" in capfd.readouterr().err


def test_when_none_fails_each_is_materialised_once(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster would add a materialisation of each for what a plain function returns."""
    monkeypatch.setattr(quarters, "broken", {})
    result = run(instance, tags=range_tags(*QUARTERS))
    assert result.success
    assert statuses(instance) == dict.fromkeys(QUARTERS, "MATERIALIZED")
    assert list(materialisations(instance, result.run_id, quarter.key)) == list(QUARTERS)


def test_a_failed_partition_is_repaired_by_itself(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(instance, tags=range_tags(*QUARTERS))
    monkeypatch.setattr(quarters, "broken", {})
    again = run(instance, partition_key="south")
    assert again.success
    assert list(materialisations(instance, again.run_id, quarter.key)) == ["south"]
    assert statuses(instance) == dict.fromkeys(QUARTERS, "MATERIALIZED")


def test_a_partition_that_the_run_forgets_has_failed(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarters, "forgotten", {"west"})
    description, errors = failure(run(instance, tags=range_tags(*QUARTERS)))
    assert description.startswith("2 of 4 partitions failed: south: ")
    assert errors["west"] == "the run reported nothing about it"
    assert {p for p, status in statuses(instance).items() if status == "FAILED"} == set(errors)


def test_several_errors_are_in_one_failure(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = {name: ValueError(f"no\n{name}") for name in QUARTERS}
    monkeypatch.setattr(quarters, "broken", broken)
    description, errors = failure(run(instance, tags=range_tags(*QUARTERS)))
    assert errors == {name: f"ValueError: no {name}" for name in QUARTERS}
    assert description.startswith("4 of 4 partitions failed: north: ValueError: no north; east: ")


LAUNCH = """
mutation ($backfill: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $backfill) { ... on LaunchBackfillSuccess { backfillId } }
}
"""


def launch_backfill(url: str) -> str:
    """Backfills all quarters as the UI does; returns the backfill's id, "" while it cannot."""
    backfill = {"assetSelection": [{"path": quarter.key.path}], "partitionNames": QUARTERS}
    question = {"query": LAUNCH, "variables": {"backfill": backfill}}
    request = urllib.request.Request(
        f"{url}/graphql", json.dumps(question).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            launched = json.load(answer)["data"]["launchPartitionBackfill"]
    except OSError:
        return ""
    return str(launched.get("backfillId", ""))


@contextmanager
def program(folder: Path, module: str, *arguments: str) -> Iterator[None]:
    """One of Dagster's programs with the quarters, while it is wanted."""
    command = [sys.executable, "-m", module, *arguments, "-m", quarters.__name__]
    with (folder / f"{module}.log").open("w") as log:
        process = subprocess.Popen(
            command,
            env=with_short_rounds(dict(os.environ)),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield
    finally:
        stop_group(process)


def test_a_backfill_of_the_real_daemon(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As from the UI: its mutation, the webserver, the daemon, and a run in its own process."""
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    port = str(free_port())
    launched: list[str] = []

    def launch() -> bool:
        launched[:] = [launch_backfill(f"http://127.0.0.1:{port}")]
        return bool(launched[0])

    def status() -> str:
        backfill = instance.get_backfill(launched[0])
        return backfill.status.value if backfill else ""

    with (
        dg.DagsterInstance.get() as instance,
        program(folder, "dagster_webserver", "--port", port),
        program(folder, "dagster._daemon", "run"),
    ):
        eventually(launch)
        eventually(lambda: status() not in ("REQUESTED", "FAILING"))
        assert status() == "COMPLETED_FAILED"
        [only] = instance.get_runs()
        assert only.status is dg.DagsterRunStatus.FAILURE
        done = materialisations(instance, only.run_id, quarter.key)
        assert list(done) == ["north", "east", "west"]
        assert statuses(instance) == dict.fromkeys(done, "MATERIALIZED") | {"south": "FAILED"}
