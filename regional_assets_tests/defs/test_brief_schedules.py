"""When weekly briefs are written: Sundays, and at most twice a day where a week lacks some."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
import redis

from benchmarks.generated_model import generated
from regional_assets.defs.assets.briefs import REGIONAL_BRIEF
from regional_assets.defs.jobs import BRIEF_JOB, SNAPSHOT_JOB
from regional_assets.defs.resources import ClockResource, NarratorResource, SnapshotStoreResource
from regional_assets.defs.schedules import (
    regional_brief_retry_schedule,
    regional_brief_schedule,
)
from regional_assets.intelligence.brief import week_start
from regional_assets.intelligence.model import Model
from regional_assets.intelligence.timing import HOUR_MS
from regional_assets.runs.clock import current_time
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.briefs import stored_brief
from regional_assets_tests.support.built_in import MODEL, NARRATED_REGIONS
from regional_assets_tests.support.dagster_runs import WITH_BRIEFS, a_run, outcomes
from regional_assets_tests.support.model_server import Models, configure
from regional_assets_tests.support.stores import keys

SUNDAY = datetime(2026, 8, 2, tzinfo=UTC)
WEDNESDAY = SUNDAY + timedelta(days=3, hours=8)
# The last one: runs that the tests add are of its week.
THIS_SUNDAY = datetime.fromtimestamp(week_start(current_time()) / 1000, UTC) + timedelta(minutes=45)
NO_GROUND = "no brief can be written before there are new snapshots"
BOTH = pytest.mark.parametrize(
    ("schedule", "moment"),
    [(regional_brief_schedule, THIS_SUNDAY), (regional_brief_retry_schedule, WEDNESDAY)],
    ids=["weekly", "retry"],
)


@pytest.fixture
def instance(instance_in_files: dg.DagsterInstance) -> dg.DagsterInstance:
    """A schedule's context opens it by its folder."""
    return instance_in_files


class Later(ClockResource):
    """A clock that is hours ahead of this machine's."""

    hours: int

    def now(self) -> int:
        return super().now() + self.hours * HOUR_MS


@pytest.fixture
def model(models: Models, monkeypatch: pytest.MonkeyPatch) -> Models:
    """A language model, configured."""
    configure(monkeypatch, models.environment("good"))
    return models


def tick(
    schedule: dg.ScheduleDefinition,
    instance: dg.DagsterInstance,
    moment: datetime,
    clock: ClockResource | None = None,
    model: Model = MODEL,
) -> list[dg.RunRequest] | str:
    """The runs that the tick requests, or why it is skipped."""
    with dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=moment,
        resources={
            "regional_model": model,
            "regional_store": SnapshotStoreResource(),
            "regional_narrator": NarratorResource(),
            "regional_clock": clock or ClockResource(),
        },
    ) as context:
        outcome = schedule.evaluate_tick(context)
    if outcome.skip_message:
        assert not outcome.run_requests
        return outcome.skip_message
    return list(outcome.run_requests or [])


def ranges(requests: list[dg.RunRequest] | str) -> list[tuple[str, str]]:
    assert not isinstance(requests, str)
    return [
        (
            request.tags["dagster/asset_partition_range_start"],
            request.tags["dagster/asset_partition_range_end"],
        )
        for request in requests
    ]


def write(client: redis.Redis, written: Mapping[str, datetime]) -> None:
    for region, at in written.items():
        client.set(keys.brief(region), stored_brief(region, int(at.timestamp() * 1000)))


def test_their_times() -> None:
    for schedule in (regional_brief_schedule, regional_brief_retry_schedule):
        assert schedule in (WITH_BRIEFS.schedules or [])
        assert schedule.job_name == BRIEF_JOB
        assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
        assert schedule.execution_timezone == "UTC"
        assert len(schedule.description or "") > 150
    assert regional_brief_schedule.cron_schedule == "45 0 * * 0"
    assert regional_brief_retry_schedule.cron_schedule == "0 8,20 * * *"


def test_sunday_is_one_run_over_all_regions(
    instance: dg.DagsterInstance, told: redis.Redis
) -> None:
    a_run(instance, SNAPSHOT_JOB, dg.DagsterRunStatus.SUCCESS)
    requests = tick(regional_brief_schedule, instance, THIS_SUNDAY)
    assert ranges(requests) == [(NARRATED_REGIONS[0], NARRATED_REGIONS[-1])]
    assert not isinstance(requests, str)
    [request] = requests
    assert request.run_key == THIS_SUNDAY.isoformat()
    result = WITH_BRIEFS.resolve_job_def(BRIEF_JOB).execute_in_process(
        instance=instance, run_config=request.run_config, tags=request.tags
    )
    assert outcomes(instance, result.run_id) == dict.fromkeys(NARRATED_REGIONS, "written")
    assert instance.get_latest_materialization_event(REGIONAL_BRIEF)


@BOTH
@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({}, "no language model is configured: set REGIONAL_NARRATIVE_PROVIDERS"),
        ({"REGIONAL_NARRATIVE_PROVIDERS": "groq"}, "REGIONAL_NARRATIVE_GROQ_BASE_URL is not set"),
    ],
)
def test_without_a_model_no_run_starts(
    instance: dg.DagsterInstance,
    client: redis.Redis,
    models: Models,
    monkeypatch: pytest.MonkeyPatch,
    schedule: dg.ScheduleDefinition,
    moment: datetime,
    environment: dict[str, str],
    reason: str,
) -> None:
    configure(monkeypatch, environment)
    said = tick(schedule, instance, moment)
    assert isinstance(said, str)
    assert said.startswith(reason)


def test_sunday_waits_for_the_snapshots_of_its_hour(
    instance: dg.DagsterInstance, model: Models
) -> None:
    before = f"the briefs are written after the snapshots of {THIS_SUNDAY:%Y-%m-%d} 00:00 UTC, and "
    after = "; regional_brief_retry_schedule catches up"
    none = f"{before}no run has taken them yet{after}"
    assert tick(regional_brief_schedule, instance, THIS_SUNDAY) == none
    failed = a_run(instance, SNAPSHOT_JOB, dg.DagsterRunStatus.FAILURE)
    # The snapshots of the regions that did not fail are there.
    assert not isinstance(tick(regional_brief_schedule, instance, THIS_SUNDAY), str)
    # This run is of the week before, seen from next Sunday.
    following = THIS_SUNDAY + timedelta(days=7)
    assert "no run has taken them yet" in tick(regional_brief_schedule, instance, following)
    for status in (dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTED):
        run = a_run(instance, SNAPSHOT_JOB, status)
        said = tick(regional_brief_schedule, instance, THIS_SUNDAY)
        assert said == f"{before}run {run.run_id} ({status.value}) has not ended{after}"
        assert failed.run_id not in said
        instance.delete_run(run.run_id)


def test_sunday_waits_for_all_runs_of_the_snapshots(
    instance: dg.DagsterInstance, model: Models
) -> None:
    def taken(first: str, last: str) -> dg.DagsterRun:
        ends = {"asset_partition_range_start": first, "asset_partition_range_end": last}
        return a_run(instance, SNAPSHOT_JOB, dg.DagsterRunStatus.SUCCESS, **ends)

    taken(NARRATED_REGIONS[0], NARRATED_REGIONS[2])
    those = f"{len(NARRATED_REGIONS) - 3} regions, such as {NARRATED_REGIONS[3]}"
    said = tick(regional_brief_schedule, instance, THIS_SUNDAY)
    assert f"no run has taken those of {those}, yet; regional_brief_retry" in said
    one = a_run(
        instance,
        SNAPSHOT_JOB,
        dg.DagsterRunStatus.STARTED,
        partition=NARRATED_REGIONS[3],
    )
    said = tick(regional_brief_schedule, instance, THIS_SUNDAY)
    assert f"run {one.run_id} (STARTED) has not ended" in said
    instance.delete_run(one.run_id)
    taken(NARRATED_REGIONS[3], NARRATED_REGIONS[-1])
    # A range of regions that are there no more.
    taken("atlantis", "atlantis")
    assert not isinstance(tick(regional_brief_schedule, instance, THIS_SUNDAY), str)


def test_sunday_is_cut_into_runs_of_so_many_partitions(
    instance: dg.DagsterInstance, model: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGIONAL_PARTITIONS_PER_RUN", "5")
    a_run(instance, SNAPSHOT_JOB, dg.DagsterRunStatus.SUCCESS)
    requests = tick(regional_brief_schedule, instance, THIS_SUNDAY)
    assert ranges(requests) == [
        (NARRATED_REGIONS[0], NARRATED_REGIONS[4]),
        (NARRATED_REGIONS[5], NARRATED_REGIONS[-1]),
    ]
    assert not isinstance(requests, str)
    assert len({request.run_key for request in requests}) == 2


@BOTH
def test_a_tick_that_overlaps_a_run_is_skipped_and_says_which(
    instance: dg.DagsterInstance,
    told: redis.Redis,
    schedule: dg.ScheduleDefinition,
    moment: datetime,
) -> None:
    a_run(instance, SNAPSHOT_JOB, dg.DagsterRunStatus.SUCCESS)
    assert not isinstance(tick(schedule, instance, moment), str)
    run = a_run(instance, BRIEF_JOB, dg.DagsterRunStatus.STARTED)
    said = tick(schedule, instance, moment)
    assert isinstance(said, str)
    assert said.startswith(f"Run {run.run_id} of regional_brief_job is not finished (STARTED)")


def test_a_covered_week_is_not_retried_to_its_end(
    instance: dg.DagsterInstance, told: redis.Redis
) -> None:
    # One region may lack a brief.
    write(told, dict.fromkeys(NARRATED_REGIONS[1:], SUNDAY))
    # On Saturday evening all briefs are older than 6½ days.
    for moment in (SUNDAY + timedelta(hours=8), SUNDAY + timedelta(days=6, hours=20)):
        said = tick(regional_brief_retry_schedule, instance, moment)
        most = len(NARRATED_REGIONS)
        assert said == f"this week is covered: {most - 1} of {most} regions have a brief of it"
    assert ranges(
        tick(regional_brief_retry_schedule, instance, SUNDAY + timedelta(days=7, hours=8))
    ) == [(NARRATED_REGIONS[0], NARRATED_REGIONS[-1])]


def test_regions_without_a_young_snapshot_are_not_retried(
    instance: dg.DagsterInstance, told: redis.Redis, valkey_store: SnapshotStore
) -> None:
    told.delete(keys.latest("latam"))
    said = tick(regional_brief_retry_schedule, instance, WEDNESDAY, Later(hours=13))
    assert isinstance(said, str)
    assert said.startswith(
        "no brief can be written before there are new snapshots: mena: its snapshot is 13 hours old"
    )
    assert "; latam: it has no snapshot yet; " in said
    take_snapshots(valkey_store, ["mena", "europe"], current_time() + 12 * HOUR_MS)
    # What is damaged is tried, so that its run shows it.
    latest = told.get(keys.latest("south-asia"))
    assert isinstance(latest, bytes)
    told.set(keys.snapshot_by_id(latest.decode()), "{")
    told.delete(keys.regime_history("sub-saharan-africa"))
    told.set(keys.regime_history("sub-saharan-africa"), "no list")
    requests = tick(regional_brief_retry_schedule, instance, WEDNESDAY, Later(hours=13))
    assert ranges(requests) == [
        ("mena", "mena"),
        ("europe", "europe"),
        ("south-asia", "south-asia"),
        ("sub-saharan-africa", "sub-saharan-africa"),
    ]


@pytest.mark.usefixtures("told")
def test_a_reason_names_fifty_of_many_regions(instance: dg.DagsterInstance) -> None:
    many = generated(60)
    said = tick(regional_brief_retry_schedule, instance, WEDNESDAY, Later(hours=13), many)
    assert isinstance(said, str)
    *named, more = said.removeprefix(f"{NO_GROUND}: ").split("; ")
    assert [reason.split(": ")[0] for reason in named] == list(many.narrated[:50])
    assert sum("its snapshot is 13 hours old" in reason for reason in named) == len(
        NARRATED_REGIONS
    )
    assert more == f"and {len(many.narrated) - 50} more"


def test_exactly_the_regions_that_lack_one_are_retried(
    instance: dg.DagsterInstance, told: redis.Redis
) -> None:
    write(told, dict.fromkeys(NARRATED_REGIONS, SUNDAY))
    # Too old to be skipped on Sunday; young enough; something else.
    write(told, {"mena": SUNDAY - timedelta(days=6, hours=12)})
    write(told, {"south-asia": SUNDAY - timedelta(days=6, hours=11)})
    told.set(keys.brief("east-asia"), "no brief")
    told.delete(keys.brief("latam"))
    requests = tick(regional_brief_retry_schedule, instance, WEDNESDAY)
    assert ranges(requests) == [("mena", "east-asia"), ("latam", "latam")]
    assert not isinstance(requests, str)
    assert [request.run_key for request in requests] == [
        "2026-08-05T08:00:00+00:00 mena to east-asia",
        "2026-08-05T08:00:00+00:00 latam to latam",
    ]
    # A tick that is evaluated again after a crash finds its own first run.
    a_run(instance, BRIEF_JOB, dg.DagsterRunStatus.QUEUED, run_key=requests[0].run_key or "")
    assert tick(regional_brief_retry_schedule, instance, WEDNESDAY) == requests


def test_a_server_that_does_not_answer_is_the_reason(
    instance: dg.DagsterInstance, model: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "unix:///nowhere/nothing.sock")
    monkeypatch.setenv("REGIONAL_RETRIES", "0")
    said = tick(regional_brief_retry_schedule, instance, WEDNESDAY)
    assert isinstance(said, str)
    assert said.startswith("Redis at unix:///nowhere/nothing.sock does not answer")
