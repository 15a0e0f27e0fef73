"""Dagster on PostgreSQL with two Celery workers: code server, webserver, daemon and workers as
processes of their own, from the files in deploy/."""

import json
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
import redis

from regional_assets.dagster_kit.private import RunWorker
from regional_assets.defs.jobs import SNAPSHOT_JOB
from regional_assets.runs.clock import current_time
from regional_assets.store.verification import verify
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.dagster_runs import ALL, a_run, statuses
from regional_assets_tests.support.deployment import BROKER_PASSWORD, Deployment, deployed
from regional_assets_tests.support.proxy import Stop
from regional_assets_tests.support.stored import bodies, indexed, should_be_told, told
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.ui import ask
from regional_assets_tests.support.waiting import eventually
from regional_assets_tests.support.worlds import KEY, sample_values

SUCCESS, FAILURE = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE
STARTED, CANCELED = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELED
MATERIALIZED = dict.fromkeys(REGION_IDS, "MATERIALIZED")

LAUNCH = """
mutation Launch($tags: [ExecutionTag!]) {
  launchRun(executionParams: {
    selector: {repositoryLocationName: "regional_assets",
      repositoryName: "__repository__", jobName: "regional_snapshot_job"}
    executionMetadata: {tags: $tags}
  }) { ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } }
}
"""
BACKFILL = """
mutation Backfill($backfill: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $backfill) {
    ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
  }
}
"""
TERMINATE = """
mutation Terminate($runId: String!) {
  terminateRun(runId: $runId) {
    __typename ... on TerminateRunFailure { message } ... on PythonError { message }
  }
}
"""


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    folder = Path(tempfile.mkdtemp(prefix="ra-", dir="/tmp"))
    try:
        with deployed(folder) as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def client(deployment: Deployment) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(deployment.store_url) as client:
        client.mset(dict(sample_values(current_time())))
        yield client


@pytest.fixture(scope="module")
def elsewhere(deployment: Deployment) -> dg.DagsterRun:
    """A run in progress that no worker has, as that of a command on some machine."""
    return a_run(deployment.instance, SNAPSHOT_JOB, STARTED)


def launch(deployment: Deployment) -> str:
    """The id of a run over all regions, launched as a person does it."""
    tags = [{"key": name, "value": value} for name, value in ALL.items()]
    answer = json.loads(ask(deployment.port, LAUNCH, tags=tags))
    return str(answer["data"]["launchRun"]["run"]["runId"])


@contextmanager
def held(deployment: Deployment, client: redis.Redis) -> Iterator[str]:
    """The id of a run over all regions, whose commits the store keeps waiting until the end."""
    client.client_pause(600_000, all=False)
    try:
        run_id = launch(deployment)
        eventually(lambda: any("b" in found["flags"] for found in client.client_list()))
        yield run_id
    finally:
        client.client_unpause()


def terminate(deployment: Deployment, run_id: str) -> dict[str, str]:
    """What the UI is answered."""
    answer = json.loads(ask(deployment.port, TERMINATE, runId=run_id))
    return dict(answer["data"]["terminateRun"])


def status(deployment: Deployment, run_id: str) -> dg.DagsterRunStatus:
    run = deployment.instance.get_run_by_id(run_id)
    assert run
    return run.status


def said(deployment: Deployment, run_id: str) -> str:
    """All that the UI shows of a run."""
    return "\n".join(dg.serialize_value(entry) for entry in deployment.instance.all_logs(run_id))


def change_inputs(client: redis.Redis) -> None:
    """Every region's content changes."""
    client.delete(*(KEY[name] for name in ("risk_scores", "forecasts", "chokepoints")))


def assert_nothing_lost_or_doubled(client: redis.Redis, commits: int) -> None:
    assert not any(verify(client, keys, MODEL, REGION_IDS, current_time()).values())
    for region in REGION_IDS:
        ids = indexed(client, region)
        assert len(ids) == commits
        expected = should_be_told(region, [None, *bodies(client, ids)])
        assert told(client, region) == expected


def test_all_regions_run_on_a_worker(
    deployment: Deployment, client: redis.Redis, elsewhere: dg.DagsterRun
) -> None:
    run_id = launch(deployment)
    eventually(lambda: status(deployment, run_id) == SUCCESS)
    assert statuses(deployment.instance) == MATERIALIZED
    assert [worker.between.request_bytes > 0 for worker in deployment.workers].count(True) == 1
    assert_nothing_lost_or_doubled(client, 1)


def test_a_backfill_runs_on_a_worker(deployment: Deployment, client: redis.Redis) -> None:
    before = sum(worker.between.connections for worker in deployment.workers)
    backfill = {
        "assetSelection": [{"path": ["regional_snapshot"]}],
        "partitionNames": list(REGION_IDS),
    }
    answer = json.loads(ask(deployment.port, BACKFILL, backfill=backfill))
    backfill_id = answer["data"]["launchPartitionBackfill"]["backfillId"]

    def outcome() -> str:
        found = deployment.instance.get_backfill(backfill_id)
        return found.status.value if found else ""

    eventually(lambda: outcome() not in ("REQUESTED", "FAILING"))
    assert outcome() == "COMPLETED_SUCCESS"
    assert sum(worker.between.connections for worker in deployment.workers) > before
    # The same content: nothing is written twice.
    assert_nothing_lost_or_doubled(client, 1)


def test_a_command_of_the_installed_wheel_runs(deployment: Deployment, client: redis.Redis) -> None:
    """As all processes of these tests do: the checkout cannot be imported from there."""
    environment = deployment.own_environment("looking-on")
    said = subprocess.check_output(
        [deployment.project.programs / "regional-assets", "run", "mena"],
        cwd=deployment.folder,
        env=environment,
        text=True,
    )
    assert "duplicate" in said
    python = str(deployment.project.programs / "python")
    imported = subprocess.run(
        [python, "-c", "import regional_assets_tests"],
        cwd=deployment.folder,
        env=environment,
        capture_output=True,
    )
    assert b"No module named 'regional_assets_tests'" in imported.stderr
    runs = deployment.instance.get_runs(dg.RunsFilter(statuses=[SUCCESS]))
    # A command's own run has no origin.
    origins = [run.job_code_origin for run in runs if run.job_code_origin]
    assert {o.repository_origin.executable_path for o in origins} == {python}


def test_a_terminated_run_is_canceled_and_not_tried_again(
    deployment: Deployment, client: redis.Redis
) -> None:
    with held(deployment, client) as run_id:
        assert terminate(deployment, run_id) == {"__typename": "TerminateRunSuccess"}
        eventually(lambda: status(deployment, run_id) == CANCELED)
    run = deployment.instance.get_run_by_id(run_id)
    assert run
    assert run.tags.get("dagster/will_retry") != "true"
    assert statuses(deployment.instance) == MATERIALIZED
    assert_nothing_lost_or_doubled(client, 1)


def test_a_run_goes_on_while_the_broker_is_silent_and_restarts(
    deployment: Deployment, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("regional_assets.dagster_kit.celery_launcher.SILENCE", 0)
    with held(deployment, client) as run_id:
        deployment.broker.signal(signal.SIGSTOP)
        run = deployment.instance.get_run_by_id(run_id)
        assert run
        health = deployment.instance.run_launcher.check_run_worker_health(run)
        assert health.status == RunWorker.RUNNING
        assert f"the broker {deployment.broker.address}" in str(health.msg)
        assert terminate(deployment, run_id)["__typename"] == "TerminateRunFailure"
        assert f"The broker {deployment.broker.address}" in said(deployment, run_id)
        assert status(deployment, run_id) == STARTED
        deployment.broker.stop()
        deployment.broker.start()
    eventually(lambda: status(deployment, run_id) == SUCCESS)
    assert_nothing_lost_or_doubled(client, 1)


def test_a_worker_killed_in_mid_run_loses_and_doubles_nothing(
    deployment: Deployment, client: redis.Redis
) -> None:
    change_inputs(client)
    stops = [Stop(5_000, in_replies=False, frozen=True) for _ in deployment.workers]
    for worker, stop in zip(deployment.workers, stops, strict=True):
        worker.between.stop = stop
    killed = launch(deployment)
    eventually(lambda: any(stop.reached.is_set() for stop in stops))
    [victim, other] = sorted(deployment.workers, key=lambda worker: worker.between.stop is not None)
    assert other.between.stop
    other.between.stop = None
    connections = other.between.connections
    victim.kill()

    eventually(lambda: status(deployment, killed) == FAILURE)
    assert "No worker has had this run for" in said(deployment, killed)
    eventually(lambda: statuses(deployment.instance) == MATERIALIZED)
    assert other.between.connections > connections
    [retried] = deployment.instance.get_runs(dg.RunsFilter(tags={"dagster/parent_run_id": killed}))
    eventually(lambda: status(deployment, retried.run_id) == SUCCESS)
    assert_nothing_lost_or_doubled(client, 2)


def test_without_a_broker_the_run_fails_in_words_and_is_tried_again(
    deployment: Deployment, client: redis.Redis
) -> None:
    deployment.broker.stop()
    lost = launch(deployment)
    eventually(lambda: status(deployment, lost) == FAILURE)
    words = said(deployment, lost)
    assert f"the broker {deployment.broker.address} cannot be reached" in words
    assert "Nothing was computed" in words
    assert BROKER_PASSWORD not in words
    deployment.broker.start()
    eventually(lambda: statuses(deployment.instance) == MATERIALIZED)
    assert_nothing_lost_or_doubled(client, 2)


def test_a_run_that_no_worker_was_given_is_left_alone(
    deployment: Deployment, elsewhere: dg.DagsterRun
) -> None:
    """All the time, by a daemon that looks every ten seconds."""
    assert status(deployment, elsewhere.run_id) == STARTED
