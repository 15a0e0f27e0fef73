"""A backfill of the recipe's asset, by Dagster's own programs."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from regional_assets_tests.support.dagster_runs import materialisations
from regional_assets_tests.support.servers import free_port, stop_group
from regional_assets_tests.support.ui import with_short_rounds
from regional_assets_tests.support.waiting import PATIENCE, eventually

# Its asset `quarter` has these partitions, of which one fails.
LOCATION = Path(__file__).with_name("test_reporting.py")
QUARTER = dg.AssetKey("quarter")
NAMES = ["north", "east", "south", "west"]
QUARTERS = dg.StaticPartitionsDefinition(NAMES)

LAUNCH = """
mutation ($backfill: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $backfill) { ... on LaunchBackfillSuccess { backfillId } }
}
"""


def launch_backfill(url: str) -> str:
    """Backfills all quarters as the UI does; returns the backfill's id, "" while it cannot."""
    backfill = {"assetSelection": [{"path": ["quarter"]}], "partitionNames": NAMES}
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
    command = [sys.executable, "-m", module, *arguments, "-f", str(LOCATION)]
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
        done = materialisations(instance, only.run_id, QUARTER)
        assert list(done) == ["north", "east", "west"]
        found = instance.get_status_by_partition(QUARTER, NAMES, QUARTERS) or {}
        assert {name: status and status.value for name, status in found.items()} == {
            **dict.fromkeys(done, "MATERIALIZED"),
            "south": "FAILED",
        }
