"""Schedules: runs at fixed times, never one on top of another."""

from collections.abc import Sequence

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition as JobDefinition,
)

from regional_assets.defs.jobs import (
    BRIEF_JOB,
    CHECK_JOB,
    HISTORY_JOB,
    OBSERVE_INPUTS_JOB,
    SNAPSHOT_JOB,
)
from regional_assets.defs.partitions import contiguous, range_tags
from regional_assets.defs.resources import NarratorResource, SnapshotStoreResource
from regional_assets.intelligence.brief import MAX_LACKING, STANDS_IN_WORDS, lacking, written_at
from regional_assets.intelligence.geography import REGION_IDS
from regional_assets.intelligence.narrative import NARRATED_REGIONS
from regional_assets.intelligence.timing import SCHEDULE_HOURS
from regional_assets.store.errors import STORE_ERRORS

_ALL = range_tags(REGION_IDS[0], REGION_IDS[-1])

# Not NOT_STARTED: between that and the queue lie milliseconds. A run that is found so was left
# by a process that died in them, nobody will start it, and it would block the schedule for ever.
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def _schedule(
    name: str, job: JobDefinition, cron_schedule: str, tags: dict[str, str], description: str
) -> dg.ScheduleDefinition:
    """A schedule in UTC, on by default, that starts one run of `job` a tick."""

    @dg.schedule(
        name=name,
        job=job,
        cron_schedule=cron_schedule,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=description,
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        key = context.scheduled_execution_time.isoformat()
        return unless_running(context, job.name, [dg.RunRequest(run_key=key, tags=tags)])

    return schedule


def unless_running(
    context: dg.ScheduleEvaluationContext, job_name: str, requests: Sequence[dg.RunRequest]
) -> list[dg.RunRequest] | dg.SkipReason:
    """The runs of this tick, unless another tick's or anybody else's run of the job goes on."""
    keys = {request.run_key for request in requests}
    running = context.instance.get_runs(
        dg.RunsFilter(job_name=job_name, statuses=_UNFINISHED), ascending=True
    )
    for run in running:
        # A daemon that died after requesting this tick's run evaluates the tick again; the run
        # key then finds the run that is there.
        if run.tags.get("dagster/run_key") not in keys:
            return dg.SkipReason(
                f"Run {run.run_id} of {job_name} is not finished ({run.status.value}), so the tick "
                f"of {context.scheduled_execution_time.isoformat()} starts no other. If it hangs, "
                "terminate it on its page."
            )
    return list(requests)


regional_snapshot_schedule = _schedule(
    "regional_snapshot_schedule",
    SNAPSHOT_JOB,
    f"0 */{SCHEDULE_HOURS} * * *",
    _ALL,
    f"Every {SCHEDULE_HOURS} hours from 00:00 UTC on one run over all regions, then the summary. "
    " A tick is skipped while another run of regional_snapshot_job, whoever started "
    "it, is queued or in progress; its reason names that run.",
)

regional_check_schedule = _schedule(
    "regional_check_schedule",
    CHECK_JOB,
    f"15 */{SCHEDULE_HOURS} * * *",
    _ALL,
    "A quarter of an hour after each scheduled run of the snapshots, checks what is stored of "
    "every region. A tick is skipped while another run of the checks is queued or in progress.",
)

regional_history_schedule = _schedule(
    "regional_history_schedule",
    HISTORY_JOB,
    f"30 */{SCHEDULE_HOURS} * * *",
    _ALL,
    "Half an hour after each scheduled run of the snapshots, brings the tables and charts of "
    "every region's history up to date. A tick is skipped while another such run is queued or "
    "in progress.",
)

observe_inputs_schedule = _schedule(
    "observe_inputs_schedule",
    OBSERVE_INPUTS_JOB,
    "*/15 * * * *",
    {},
    "Every 15 minutes looks at all inputs in one round trip, so that the page of "
    "each shows its age, size and freshness over time. It starts no snapshots. A tick is "
    "skipped while another observation is queued or in progress; its reason names that run.",
)


@dg.schedule(
    name="regional_brief_schedule",
    job=BRIEF_JOB,
    cron_schedule="0 0 * * 0",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description=(
        "Every Sunday at 00:00 UTC one run over the weekly briefs of all regions that have one; "
        f"briefs younger than {STANDS_IN_WORDS} stand. A tick is skipped while no language "
        "model is configured, or while another run of the briefs is queued or in progress."
    ),
)
def regional_brief_schedule(
    context: dg.ScheduleEvaluationContext, narrator: NarratorResource
) -> list[dg.RunRequest] | dg.SkipReason:
    """One run over all regions."""
    why_not = narrator.why_not()
    if why_not:
        return dg.SkipReason(why_not)
    key = context.scheduled_execution_time.isoformat()
    tags = range_tags(NARRATED_REGIONS[0], NARRATED_REGIONS[-1])
    return unless_running(context, BRIEF_JOB.name, [dg.RunRequest(run_key=key, tags=tags)])


@dg.schedule(
    name="regional_brief_retry_schedule",
    job=BRIEF_JOB,
    cron_schedule="0 8,20 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description=(
        "Twice a day, at 08:00 and 20:00 UTC, looks whether the week that began last Sunday is "
        "covered: all regions but one at most have a brief of it. When it is not, one run per "
        "range of neighbours over exactly the regions without one. A tick is skipped while no "
        "language model is configured, or while another run of the briefs is queued or in progress."
    ),
)
def regional_brief_retry_schedule(
    context: dg.ScheduleEvaluationContext,
    snapshot_store: SnapshotStoreResource,
    narrator: NarratorResource,
) -> list[dg.RunRequest] | dg.SkipReason:
    """Runs over the regions without a brief of this week, if they are too many."""
    from regional_assets.store.brief_store import BriefStore

    why_not = narrator.why_not()
    if why_not:
        return dg.SkipReason(why_not)
    tick = context.scheduled_execution_time
    now = int(tick.timestamp() * 1000)
    try:
        with snapshot_store.open() as store:
            briefs = BriefStore(store).briefs(NARRATED_REGIONS)
    except STORE_ERRORS as error:
        return dg.SkipReason(str(error))
    without = lacking({region: written_at(region, brief) for region, brief in briefs.items()}, now)
    if len(without) <= MAX_LACKING:
        have = len(briefs) - len(without)
        return dg.SkipReason(
            f"this week is covered: {have} of {len(briefs)} regions have a brief of it"
        )
    requests = [
        # The tick and the regions: evaluating this tick again starts no run again.
        dg.RunRequest(
            run_key=f"{tick.isoformat()} {' '.join(members)}",
            tags=range_tags(members[0], members[-1]),
        )
        for members in contiguous(without)
    ]
    return unless_running(context, BRIEF_JOB.name, requests)
