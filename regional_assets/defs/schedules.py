"""Schedules: runs at fixed times, never one on top of another."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import partial

import dagster as dg

from regional_assets.dagster_kit.liveness import end_dead_runs
from regional_assets.defs.jobs import (
    BRIEF_JOB,
    CHECK_JOB,
    HISTORY_JOB,
    OBSERVE_INPUTS_JOB,
    SNAPSHOT_JOB,
)
from regional_assets.defs.partitions import regions_in, run_requests
from regional_assets.defs.resources import ClockResource, NarratorResource, SnapshotStoreResource
from regional_assets.defs.sensors.cursors import named
from regional_assets.errors import STORE_ERRORS
from regional_assets.intelligence.brief import (
    MAX_LACKING,
    STANDS_IN_WORDS,
    lacking,
    week_start,
    written_at,
)
from regional_assets.intelligence.model import Model
from regional_assets.intelligence.timing import SCHEDULE_HOURS

# Not NOT_STARTED: a run has that status for milliseconds only, before it is queued. A run that
# keeps it was left by a process that died in between. Nobody will start it, and it would block the
# schedule for ever.
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]

# Of a skipped tick that is made up when that run has ended.
NOT_FINISHED = "is not finished"

# In UTC, and on by default.
_schedule = partial(
    dg.schedule,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


def _regular(
    model: Model, name: str, job_name: str, cron_schedule: str, description: str
) -> dg.ScheduleDefinition:
    """A schedule that runs the job over all regions of the model at each tick."""

    @_schedule(name=name, job_name=job_name, cron_schedule=cron_schedule, description=description)
    def schedule(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        requests = _requests(context, model, model.region_ids, name)
        return _unless_running(context, job_name, requests)

    return schedule


def _requests(
    context: dg.ScheduleEvaluationContext,
    model: Model,
    regions: Sequence[str],
    requested_by: str,
) -> Iterable[dg.RunRequest]:
    """The runs of this tick over all `regions`. Their keys are the tick's time, with the range
    where that is not all of the regions."""
    tick = context.scheduled_execution_time.isoformat()

    def run_key(members: Sequence[str]) -> str:
        whole = len(members) == len(regions)
        return tick if whole else f"{tick} {members[0]} to {members[-1]}"

    return run_requests(model, regions, run_key, requested_by)


def _unless_running(
    context: dg.ScheduleEvaluationContext, job_name: str, requests: Iterable[dg.RunRequest]
) -> list[dg.RunRequest] | dg.SkipReason:
    """The runs of this tick, unless another run of the job, whoever started it, is unfinished."""
    # A run that died just before holds nothing up, and this tick takes the place of its retry.
    end_dead_runs(context.instance, replaced=job_name)
    requested = {request.run_key: request for request in requests}
    unfinished = context.instance.get_runs(
        dg.RunsFilter(job_name=job_name, statuses=_UNFINISHED), ascending=True
    )
    for run in unfinished:
        # A daemon that died after it requested the runs of this tick evaluates the tick again. The
        # run key then finds the runs that are there.
        if run.tags.get("dagster/run_key") not in requested:
            return dg.SkipReason(
                f"Run {run.run_id} of {job_name} {NOT_FINISHED} ({run.status.value}), so the tick "
                f"of {context.scheduled_execution_time.isoformat()} starts no other. If it hangs, "
                "terminate it on its page."
            )
    return list(requested.values())


@_schedule(
    job_name=OBSERVE_INPUTS_JOB,
    cron_schedule="*/15 * * * *",
    description=(
        "Every 15 minutes, looks at all inputs in one round trip, so that the page of each shows "
        "its age, size and freshness over time. It starts no snapshots. A tick is skipped while "
        "another observation is queued or in progress; the reason names that run."
    ),
)
def observe_inputs_schedule(
    context: dg.ScheduleEvaluationContext,
) -> list[dg.RunRequest] | dg.SkipReason:
    """A run without partitions."""
    request = dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())
    return _unless_running(context, OBSERVE_INPUTS_JOB, [request])


@_schedule(
    job_name=BRIEF_JOB,
    cron_schedule="45 0 * * 0",
    description=(
        "Every Sunday at 00:45 UTC, after the snapshots of 00:00, a run over the weekly briefs "
        f"of all regions that have one; briefs younger than {STANDS_IN_WORDS} are kept. A tick is "
        "skipped while no language model can be asked, while another run of the briefs is queued "
        "or in progress, and unless the snapshots since 00:00 have a run for each region, and all "
        "those runs have ended; "
        "regional_brief_retry_schedule then catches up."
    ),
)
def regional_brief_schedule(
    context: dg.ScheduleEvaluationContext,
    regional_model: dg.ResourceParam[Model],
    regional_narrator: NarratorResource,
) -> list[dg.RunRequest] | dg.SkipReason:
    """A run over all regions that have a brief, after the snapshots of its hour."""
    why_not = regional_narrator.why_not() or _too_early(context, regional_model)
    if why_not:
        return dg.SkipReason(why_not)
    regions = regional_model.narrated
    requests = _requests(context, regional_model, regions, "regional_brief_schedule")
    return _unless_running(context, BRIEF_JOB, requests)


def _too_early(context: dg.ScheduleEvaluationContext, model: Model) -> str | None:
    """Why the snapshots with which the week of this tick begins are not there yet; None when they
    are. There may be several runs of them. Ticks are late after the daemon was down, and then come
    in any order."""
    tick = int(context.scheduled_execution_time.timestamp() * 1000)
    began = datetime.fromtimestamp(week_start(tick) / 1000, UTC)
    runs = context.instance.get_runs(
        dg.RunsFilter(job_name=SNAPSHOT_JOB, created_after=began), ascending=True
    )
    going_on = [f"run {run.run_id} ({run.status.value})" for run in runs if not run.is_finished]
    taken = {region for run in runs for region in regions_in(model, run)}
    without = [region for region in model.narrated if region not in taken]
    if going_on:
        missing = f"{', '.join(going_on)} has not ended"
    elif without:
        those = f"those of {len(without)} regions, such as {without[0]}," if taken else "them"
        missing = f"no run has taken {those} yet"
    else:
        return None
    return (
        f"the briefs are written after the snapshots of {began:%Y-%m-%d %H:%M} UTC, and {missing}; "
        "regional_brief_retry_schedule catches up"
    )


@_schedule(
    job_name=BRIEF_JOB,
    cron_schedule="0 8,20 * * *",
    description=(
        "Twice a day, at 08:00 and 20:00 UTC, checks whether the week that began last Sunday is "
        "covered: all regions but one at most have a brief of it. If it is not, starts one run per "
        "range of neighbours over exactly the regions without one, as far as their snapshots are "
        "young enough. A tick is skipped while no language model can be asked, while no snapshot "
        "is young enough, or while another run of the briefs is queued or in progress."
    ),
)
def regional_brief_retry_schedule(
    context: dg.ScheduleEvaluationContext,
    regional_model: dg.ResourceParam[Model],
    regional_store: SnapshotStoreResource,
    regional_narrator: NarratorResource,
    regional_clock: ClockResource,
) -> list[dg.RunRequest] | dg.SkipReason:
    """Runs over the regions without a brief of this week, if they are too many."""
    from regional_assets.runs.briefs import without_ground
    from regional_assets.store.brief_store import BriefStore

    why_not = regional_narrator.why_not()
    if why_not:
        return dg.SkipReason(why_not)
    now = int(context.scheduled_execution_time.timestamp() * 1000)
    try:
        with regional_store.open(regional_model) as opened:
            store = BriefStore(opened)
            briefs = store.briefs(regional_model.narrated)
            written = {region: written_at(region, brief) for region, brief in briefs.items()}
            without = lacking(written, now)
            if len(without) <= MAX_LACKING:
                have = len(briefs) - len(without)
                return dg.SkipReason(
                    f"this week is covered: {have} of {len(briefs)} regions have a brief of it"
                )
            # The tick says which week it is, the clock how old a snapshot is: a tick may be late.
            hopeless = without_ground(store.read(without), regional_clock.now())
    except STORE_ERRORS as error:
        return dg.SkipReason(str(error))
    if len(hopeless) == len(without):
        reasons = named((f"{region}: {reason}" for region, reason in hopeless.items()), "; ")
        return dg.SkipReason(f"no brief can be written before there are new snapshots: {reasons}")
    regions = [region for region in without if region not in hopeless]
    requests = _requests(context, regional_model, regions, "regional_brief_retry_schedule")
    return _unless_running(context, BRIEF_JOB, requests)


def schedules(model: Model, *, narrated: bool) -> list[dg.ScheduleDefinition]:
    """The schedules of the model; with those that need a language model if `narrated`."""
    found = [
        _regular(
            model,
            "regional_snapshot_schedule",
            SNAPSHOT_JOB,
            f"0 */{SCHEDULE_HOURS} * * *",
            f"Every {SCHEDULE_HOURS} hours, from 00:00 UTC on, a run over all regions, then the "
            "summary and the board. A tick is skipped while another run of regional_snapshot_job, "
            "whoever started it, is queued or in progress; the reason names that run.",
        ),
        _regular(
            model,
            "regional_check_schedule",
            CHECK_JOB,
            f"15 */{SCHEDULE_HOURS} * * *",
            "A quarter of an hour after each scheduled run of the snapshots, checks what is stored "
            "of every region. A tick is skipped while another run of the checks is queued or in "
            "progress.",
        ),
        _regular(
            model,
            "regional_history_schedule",
            HISTORY_JOB,
            f"30 */{SCHEDULE_HOURS} * * *",
            "Half an hour after each scheduled run of the snapshots, brings the table of "
            "every region's history up to date. A tick is skipped while another such run is queued "
            "or in progress.",
        ),
        observe_inputs_schedule,
    ]
    if narrated:
        found += [regional_brief_schedule, regional_brief_retry_schedule]
    return found
