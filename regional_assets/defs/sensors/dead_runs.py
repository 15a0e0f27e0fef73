"""`dead_run_sensor`: ends the runs whose process is gone."""

from collections.abc import Iterable
from contextlib import suppress

import dagster as dg
import msgspec

from regional_assets.dagster_kit.heartbeat import Seen, end_silent_runs
from regional_assets.dagster_kit.liveness import end_dead_runs
from regional_assets.defs.jobs import SNAPSHOT_JOB
from regional_assets.defs.partitions import regions_in
from regional_assets.defs.resources import ClockResource, SnapshotStoreResource
from regional_assets.defs.sensors.cursors import read_cursor
from regional_assets.errors import STORE_ERRORS
from regional_assets.intelligence.model import Model


class _Watched(msgspec.Struct, frozen=True):
    """When the last look was (ms), and what it saw."""

    at: int = 0
    seen: Seen = msgspec.field(default_factory=dict)


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Ends runs whose process is gone (killed, crashed, terminal closed, machine lost), as "
        "failed or, where that was requested, as canceled. Their partitions are then tried again: "
        "by Dagster, which starts runs again that it had launched, or by recovery_sensor."
    ),
)
def dead_run_sensor(
    context: dg.SensorEvaluationContext,
    regional_model: dg.ResourceParam[Model],
    regional_store: SnapshotStoreResource,
    regional_clock: ClockResource,
) -> dg.SkipReason:
    """Looks at the locks of the runs under the instance's folder, and where machines share a
    storage, at the runs' signs of life."""
    now = regional_clock.now()
    watched = read_cursor(context.cursor, _Watched) or _Watched()
    ended = end_dead_runs(context.instance)
    since = (now - watched.at) / 1000 if watched.at else 0.0
    silent, seen = end_silent_runs(context.instance, watched.seen, since)
    ended += silent
    context.update_cursor(msgspec.json.encode(_Watched(now, seen)).decode())
    if not ended:
        return dg.SkipReason("every run in progress has its process")
    # What the store has on record is not what keeps a run from being ended.
    with suppress(*STORE_ERRORS):
        _record(ended, regional_model, regional_store, now)
    runs = ", ".join(f"{run.run_id} of {run.job_name}" for run in ended)
    return dg.SkipReason(f"ended, because their process is gone: {runs}")


def _record(
    ended: Iterable[dg.DagsterRun], model: Model, resource: SnapshotStoreResource, now: int
) -> None:
    """Records the regions that those runs did not come to as failed."""
    from regional_assets.store.health import read_health
    from regional_assets.store.last_runs import record_failures

    with resource.open(model) as store:
        known = read_health(store).runs
        for run in ended:
            if run.job_name == SNAPSHOT_JOB:
                lost = [
                    region
                    for region in regions_in(model, run)
                    if region not in known or known[region].run_id != run.run_id
                ]
                why = f"the process of run {run.run_id} is gone"
                record_failures(store, now, run.run_id, dict.fromkeys(lost, why))
