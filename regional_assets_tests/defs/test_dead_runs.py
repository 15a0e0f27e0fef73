"""Runs whose process is gone: real processes are killed in mid-run, and the run ends."""

import json
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import redis

from regional_assets.dagster_kit.liveness import alive, end_dead_runs, end_run
from regional_assets.defs.jobs import SNAPSHOT_JOB
from regional_assets.defs.resources import resources
from regional_assets.defs.sensors.dead_runs import dead_run_sensor
from regional_assets.redis_link import embedded
from regional_assets.store import state_folder
from regional_assets.store.last_runs import last_runs
from regional_assets_tests.support import processes
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.dagster_runs import ALL, DEFS, a_run, run, statuses
from regional_assets_tests.support.proxy import Stop, proxy
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.ui import COMMAND, ask, serving_ui
from regional_assets_tests.support.waiting import eventually
from regional_assets_tests.support.worker import PROCESSES, snapshot_job

FAILURE, CANCELED = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED
STARTED, SUCCESS = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.SUCCESS


@pytest.fixture
def instance(instance_in_files: dg.DagsterInstance) -> dg.DagsterInstance:
    """Other processes open it, too."""
    return instance_in_files


def running(folder: Path) -> list[str]:
    """The runs that have a lock, or had one when they died."""
    found = folder / "running"
    return [path.name for path in found.glob("[!.]*")] if found.exists() else []


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus | None:
    found = instance.get_run_by_id(run_id)
    return found.status if found else None


@contextmanager
def hanging_run(server: str, folder: Path) -> Iterator[tuple[ForkServerProcess, str]]:
    """The process of a run over all regions, in the middle of which the server falls silent; and
    the run's id."""
    with proxy(folder, server) as between:
        between.stop = silent = Stop(0, frozen=True)
        run_id = str(uuid.uuid4())
        process = PROCESSES.Process(target=snapshot_job, args=(between.url, folder, run_id))
        with processes.running(process):
            eventually(silent.reached.is_set)
            yield process, run_id


def kill(process: ForkServerProcess) -> None:
    process.kill()
    process.join()


def test_a_killed_run_ends_and_its_partitions_have_failed(
    instance: dg.DagsterInstance, client: redis.Redis, valkey_url: str, folder: Path
) -> None:
    with hanging_run(valkey_url, folder) as (process, run_id):
        assert end_dead_runs(instance) == []
        kill(process)
        assert status(instance, run_id) == STARTED
        with dg.build_sensor_context(instance=instance, resources=resources(MODEL)) as context:
            reported = dead_run_sensor(context)
    assert isinstance(reported, dg.SkipReason)
    assert f"{run_id} of regional_snapshot_job" in (reported.skip_message or "")
    assert status(instance, run_id) == FAILURE
    assert statuses(instance) == dict.fromkeys(REGION_IDS, "FAILED")
    [said] = instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    assert "The process that executed this run is gone" in said.message
    assert running(folder) == []
    assert end_dead_runs(instance) == []
    stored: Any = client.hgetall(keys.last_runs)
    found = last_runs(stored)
    assert {r.outcome for r in found.values()} == {"failed"}
    assert found["mena"].reason == f"the process of run {run_id} is gone"


@pytest.mark.parametrize("ending", ["SUCCESS", "FAILURE", "CANCELED"])
def test_the_end_that_was_logged_is_the_end(instance: dg.DagsterInstance, ending: str) -> None:
    """A process that dies between its last event and the run's status."""
    run = a_run(instance, SNAPSHOT_JOB, dg.DagsterRunStatus.STARTED)
    event = dg.DagsterEvent(f"PIPELINE_{ending}", SNAPSHOT_JOB)
    entry = dg.EventLogEntry(  # type: ignore[no-untyped-call]
        None, "info", "", run.run_id, datetime.now(UTC).timestamp(), dagster_event=event
    )
    instance.event_log_storage.store_event(entry)
    assert status(instance, run.run_id) == STARTED
    end_run(instance, run, "It is gone.")
    assert status(instance, run.run_id) == dg.DagsterRunStatus(ending)
    assert "It is gone" not in str(instance.all_logs(run.run_id))


def test_a_run_whose_end_the_storage_did_not_take_is_found(
    instance: dg.DagsterInstance, folder: Path
) -> None:
    run = a_run(instance, SNAPSHOT_JOB, STARTED)
    with alive(str(folder), run.run_id, lambda: False):
        assert end_dead_runs(instance) == []
    assert running(folder) == [run.run_id]
    assert [ended.run_id for ended in end_dead_runs(instance)] == [run.run_id]
    assert running(folder) == []


def test_a_process_whose_run_was_given_up_leaves(
    instance: dg.DagsterInstance, client: redis.Redis, valkey_url: str, folder: Path
) -> None:
    """Frozen for long, it goes on when its run has been failed."""
    with proxy(folder, valkey_url) as between:
        between.stop = silent = Stop(0, frozen=True, at=b"written")
        run_id = str(uuid.uuid4())
        process = PROCESSES.Process(target=snapshot_job, args=(between.url, folder, run_id))
        with processes.running(process):
            eventually(silent.reached.is_set)
            found = instance.get_run_by_id(run_id)
            assert found
            instance.report_run_failed(found, "given up")
            # It sends its commits again, over a connection that is sound.
            process.join()
    assert process.exitcode == 1
    assert status(instance, run_id) == FAILURE
    assert not instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)


def test_a_killed_run_that_was_being_canceled_is_canceled(
    instance: dg.DagsterInstance, client: redis.Redis, valkey_url: str, folder: Path
) -> None:
    with hanging_run(valkey_url, folder) as (process, run_id):
        found = instance.get_run_by_id(run_id)
        assert found
        instance.report_run_canceling(found)
        kill(process)
        assert [ended.run_id for ended in end_dead_runs(instance)] == [run_id]
    assert status(instance, run_id) == CANCELED


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_closed_terminal_ends_a_run_as_termination_does(
    instance: dg.DagsterInstance,
    client: redis.Redis,
    valkey_url: str,
    folder: Path,
    number: signal.Signals,
) -> None:
    connections = len(client.client_list())
    with hanging_run(valkey_url, folder) as (process, run_id):
        os.kill(process.pid or 0, number)
        process.join()
        assert process.exitcode == 1
        assert status(instance, run_id) == FAILURE
        assert statuses(instance) == dict.fromkeys(REGION_IDS, "FAILED")
        assert running(folder) == []
    eventually(lambda: len(client.client_list()) <= connections)


def test_a_run_that_ends_by_itself_leaves_no_lock(
    instance: dg.DagsterInstance, client: redis.Redis, folder: Path
) -> None:
    assert run(instance, tags=ALL).success
    assert (folder / "running").exists()
    assert running(folder) == []


def test_a_run_without_a_lock_here_is_left_alone(instance: dg.DagsterInstance) -> None:
    elsewhere = a_run(instance, SNAPSHOT_JOB, STARTED)
    assert end_dead_runs(instance) == []
    assert status(instance, elsewhere.run_id) == STARTED


def test_a_run_that_can_have_no_lock_goes_on(
    instance: dg.DagsterInstance, client: redis.Redis, folder: Path
) -> None:
    (folder / "running").write_text("no folder")
    result = run(instance, tags=ALL)
    assert result.success
    said = [entry.message for entry in instance.all_logs(result.run_id)]
    assert any("this run ends late" in message and str(folder) in message for message in said)


def test_the_lock_of_a_deleted_run_goes(
    instance: dg.DagsterInstance, client: redis.Redis, valkey_url: str, folder: Path
) -> None:
    with hanging_run(valkey_url, folder) as (process, run_id):
        kill(process)
        instance.delete_run(run_id)
        assert end_dead_runs(instance) == []
    assert running(folder) == []


def test_a_schedule_does_not_wait_for_a_killed_run(
    client: redis.Redis, valkey_url: str, folder: Path
) -> None:
    schedule = DEFS.resolve_schedule_def("regional_snapshot_schedule")
    retries = {"run_retries": {"enabled": True, "max_retries": 2}}
    with (
        dg.DagsterInstance.local_temp(str(folder), overrides=retries) as instance,
        hanging_run(valkey_url, folder) as (process, run_id),
        # It enters the instance, and so has to leave it first.
        dg.build_schedule_context(
            instance=instance, scheduled_execution_time=datetime(2026, 8, 22, 6, tzinfo=UTC)
        ) as context,
    ):
        assert "is not finished" in (schedule.evaluate_tick(context)[1] or "")
        kill(process)
        requests, skipped, *_ = schedule.evaluate_tick(context)
        ended = instance.get_run_by_id(run_id)
    assert len(requests or []) == 1
    assert not skipped
    assert ended
    assert ended.status == FAILURE
    # The tick's own run is instead of a retry.
    assert ended.tags["dagster/will_retry"] == "false"


def test_a_command_that_is_killed_as_its_run_starts_leaves_a_run_that_ends(
    instance: dg.DagsterInstance, client: redis.Redis, valkey_url: str, folder: Path
) -> None:
    """Dagster provides the resources only after the run counts as started."""
    environment = {"REDIS_URL": valkey_url, "DAGSTER_HOME": str(folder)}
    typed = subprocess.Popen(
        [*COMMAND, "run", "latam"], env={**os.environ, **environment}, stdout=subprocess.DEVNULL
    )
    started = dg.RunsFilter(statuses=[STARTED])
    with processes.program(typed):
        eventually(lambda: instance.get_runs(started))
    [killed] = instance.get_runs(started)
    assert [ended.run_id for ended in end_dead_runs(instance)] == [killed.run_id]
    assert status(instance, killed.run_id) == FAILURE


LAUNCH = """
mutation Launch($region: String!) {
  launchRun(executionParams: {
    selector: {repositoryLocationName: "regional_assets.definitions",
      repositoryName: "__repository__", jobName: "regional_snapshot_job"}
    executionMetadata: {tags: [{key: "dagster/partition", value: $region}]}
  }) { ... on LaunchRunSuccess { run { runId } } }
}
"""


def test_when_everything_is_killed_the_runs_end_and_are_tried_again_after_the_restart(
    folder: Path,
) -> None:
    """The real daemon, webserver and code server with a run that they launched, and a run of the
    command, all killed; then the daemon is started again."""
    environment = {
        "REGIONAL_STATE_DIR": str(folder),
        "REGIONAL_RECOVERY_PAUSE": "1",
        "SENSORS_AT_ONCE": "1",
    }
    server = embedded.ensure_running(folder)
    everywhere = {**os.environ, **environment}
    subprocess.run([*COMMAND, "inputs", "load"], env=everywhere, cwd=folder, check=True)
    home = state_folder.dagster_home(folder)
    try:
        with proxy(folder, server) as between:
            between.stop = Stop(0, frozen=True, always=True)
            hanging = environment | {"REDIS_URL": between.url, "REGIONAL_ANSWER_TIMEOUT": "600"}
            with serving_ui(hanging, folder) as (port, ui):
                ask(port, LAUNCH, region="mena")
                typed = subprocess.Popen(
                    [*COMMAND, "run", "latam"],
                    env={**os.environ, **hanging},
                    cwd=folder,
                    stdout=subprocess.DEVNULL,
                )
                with (
                    processes.program(typed),
                    dg.DagsterInstance.from_config(str(home)) as instance,
                ):
                    eventually(
                        lambda: (
                            [status(instance, run_id) for run_id in running(home)]
                            == [STARTED, STARTED]
                        ),
                    )
                    killed = running(home)
                    # The UI first: its daemon would end the other run at once.
                    os.killpg(ui.pid, signal.SIGKILL)
                    ui.wait()
        with dg.DagsterInstance.from_config(str(home)) as instance:
            assert {status(instance, run_id) for run_id in killed} == {STARTED}
            with serving_ui(environment, folder):
                eventually(
                    lambda: {status(instance, run_id) for run_id in killed} == {FAILURE}, 240
                )
                both = dict.fromkeys(("mena", "latam"), "MATERIALIZED")
                eventually(lambda: statuses(instance) == both)
                later = [found for found in instance.get_runs() if found.run_id not in killed]
                covered = json.dumps([dict(found.tags) for found in later])
                assert "recovery_sensor" in covered
                assert '"dagster/retry_number"' in covered
    finally:
        embedded.stop(folder)
