"""`recovery_sensor`: exactly the failed partitions again, with growing pauses, up to a limit."""

from collections.abc import Iterable, Sequence

import dagster as dg
import msgspec

from regional_assets.defs.assets.snapshots import REGIONAL_SNAPSHOT
from regional_assets.defs.jobs import SNAPSHOT_JOB
from regional_assets.defs.partitions import contiguous, region_partitions, run_requests
from regional_assets.defs.resources import ClockResource
from regional_assets.defs.sensors.cursors import MOST_TRIES, named, read_cursor, run_key
from regional_assets.intelligence.model import Model
from regional_assets.settings import RECOVERY_ATTEMPTS, RECOVERY_PAUSE, SensorSettings

# At one tick.
_MOST_RUNS = 20


class Trouble(msgspec.Struct):
    """A partition that failed: the tries requested so far, when the next is due (seconds since the
    epoch), whether recovery gave up, and when the failure was first seen, which distinguishes one
    trouble from the next."""

    tries: int
    due: float
    given_up: bool
    since: float


def _load(cursor: str | None, now: float, pause: int) -> dict[str, Trouble]:
    """Reads a cursor; empty when there is none or it cannot be read. A try is due after its pause
    at the latest, even if the clock ran ahead when the cursor was written."""
    troubles = read_cursor(cursor, dict[str, Trouble]) or {}
    if any(trouble.tries > MOST_TRIES for trouble in troubles.values()):
        return {}
    for trouble in troubles.values():
        trouble.due = min(now + pause * 2.0**trouble.tries, trouble.due)
    return troubles


@dg.sensor(
    name="recovery_sensor",
    job_name=SNAPSHOT_JOB,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Runs exactly the failed partitions of regional_snapshot again: first after "
        f"REGIONAL_RECOVERY_PAUSE ({RECOVERY_PAUSE.default} s), then after twice as long each "
        f"time, up to REGIONAL_RECOVERY_ATTEMPTS ({RECOVERY_ATTEMPTS.default}) times. Then it "
        "gives up and records that as an observation of the partition. A success starts the count "
        "anew."
    ),
)
def recovery_sensor(
    context: dg.SensorEvaluationContext,
    regional_model: dg.ResourceParam[Model],
    regional_clock: ClockResource,
) -> dg.SensorResult:
    """Looks at the status of the partitions in Dagster alone, not at Redis."""
    settings = SensorSettings.from_environment()
    now = regional_clock.now() / 1000
    statuses = context.instance.get_status_by_partition(
        REGIONAL_SNAPSHOT, regional_model.region_ids, region_partitions(regional_model)
    )
    found = {region: status.value for region, status in (statuses or {}).items() if status}
    # A partition that is being tried keeps its trouble until that run has ended.
    troubles = {
        region: trouble
        for region, trouble in _load(context.cursor, now, settings.recovery_pause).items()
        if found.get(region) in ("FAILED", "IN_PROGRESS")
    }
    failed = [region for region in regional_model.region_ids if found.get(region) == "FAILED"]
    for region in failed:
        troubles.setdefault(region, Trouble(0, now + settings.recovery_pause, False, now))
    going_on = [region for region in failed if not troubles[region].given_up]
    abandoned = [r for r in going_on if troubles[r].tries >= settings.recovery_attempts]
    for region in abandoned:
        troubles[region].given_up = True
    due = [r for r in going_on if not troubles[r].given_up and troubles[r].due <= now]
    # Scattered regions are a run each; the others wait for the next tick.
    due = [region for members in contiguous(regional_model, due)[:_MOST_RUNS] for region in members]

    # A tick that is evaluated again starts no run again: the key has the troubles and the tries.
    def key(members: Sequence[str]) -> str:
        return run_key((r, troubles[r].since, troubles[r].tries) for r in members)

    requests = list(run_requests(regional_model, due, key, "recovery_sensor"))
    for region in due:
        trouble = troubles[region]
        trouble.tries += 1
        trouble.due = now + settings.recovery_pause * 2**trouble.tries
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else _why_not(failed, troubles, now),
        asset_events=[_given_up(region, troubles[region]) for region in abandoned],
        cursor=msgspec.json.encode(troubles).decode(),
    )


def _why_not(failed: Iterable[str], troubles: dict[str, Trouble], now: float) -> str:
    waiting = (
        f"{region}: given up after {troubles[region].tries} tries"
        if troubles[region].given_up
        else f"{region}: try {troubles[region].tries + 1} in {troubles[region].due - now:.0f} s"
        for region in failed
    )
    return named(waiting, "; ") or "no partition has failed"


def _given_up(region: str, trouble: Trouble) -> dg.AssetObservation:
    return dg.AssetObservation(
        asset_key=REGIONAL_SNAPSHOT,
        partition=region,
        description=f"Recovery gave up on {region} after {trouble.tries} tries; remove the cause "
        "(the failed runs name it), then materialise the partition.",
        metadata={"recovery": "given up", "tries": trouble.tries},
    )
