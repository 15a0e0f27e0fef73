"""Tries failed partitions again: exactly those, with growing pauses, up to a limit."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import dagster as dg

from regional_assets.defs.assets.snapshots import REGIONAL_SNAPSHOT
from regional_assets.defs.jobs import SNAPSHOT_JOB
from regional_assets.defs.partitions import REGIONS, contiguous, range_tags
from regional_assets.intelligence.geography import REGION_IDS
from regional_assets.runs.clock import current_time
from regional_assets.settings import SensorSettings


@dataclass
class Trouble:
    """A partition that failed: tries requested so far, when the next is due (seconds since the
    epoch), whether it was given up, and since when it fails, which tells one trouble from the
    next."""

    tries: int
    due: float
    given_up: bool
    since: float


def _load(cursor: str | None) -> dict[str, Trouble]:
    try:
        stored = json.loads(cursor or "{}")
        return {region: Trouble(**trouble) for region, trouble in stored.items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def _dump(troubles: dict[str, Trouble]) -> str:
    return json.dumps({region: asdict(trouble) for region, trouble in troubles.items()})


@dg.sensor(
    name="recovery_sensor",
    job=SNAPSHOT_JOB,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Tries partitions of regional_snapshot that failed again: exactly those, first after "
        "REGIONAL_RECOVERY_PAUSE (60 s), then after twice as long each time, "
        "REGIONAL_RECOVERY_ATTEMPTS (5) times. Then it gives up and leaves an observation on the "
        "partition that says so. A success clears the mark."
    ),
)
def recovery_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Looks at the partitions' status in Dagster only; Redis is the run's business."""
    settings = SensorSettings.from_environment()
    now = current_time() / 1000
    statuses = (
        context.instance.get_status_by_partition(REGIONAL_SNAPSHOT, list(REGION_IDS), REGIONS) or {}
    )
    named = {region: status.value if status else "" for region, status in statuses.items()}
    # A partition that is being tried keeps its mark until that run has ended.
    troubles = {
        region: trouble
        for region, trouble in _load(context.cursor).items()
        if named.get(region) in ("FAILED", "IN_PROGRESS")
    }
    failed = [region for region in REGION_IDS if named.get(region) == "FAILED"]
    for region in failed:
        troubles.setdefault(region, Trouble(0, now + settings.recovery_pause, False, now))
    abandoned = [
        region
        for region in failed
        if troubles[region].tries >= settings.recovery_attempts and not troubles[region].given_up
    ]
    for region in abandoned:
        troubles[region].given_up = True
    due = [
        region for region in failed if not troubles[region].given_up and troubles[region].due <= now
    ]
    requests = []
    for members in contiguous(due):
        # The trouble and the try: repeating this tick repeats no run.
        key = [(r, troubles[r].since, troubles[r].tries) for r in members]
        requests.append(
            dg.RunRequest(
                run_key=json.dumps(key),
                tags={
                    **range_tags(members[0], members[-1]),
                    "regional/requested_by": "recovery_sensor",
                },
            )
        )
    for region in due:
        trouble = troubles[region]
        trouble.tries += 1
        trouble.due = now + settings.recovery_pause * 2**trouble.tries
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else _why_not(failed, troubles, now),
        asset_events=[_given_up(region, troubles[region]) for region in abandoned],
        cursor=_dump(troubles),
    )


def _why_not(failed: Iterable[str], troubles: dict[str, Trouble], now: float) -> str:
    told = [
        f"{region}: given up after {troubles[region].tries} tries"
        if troubles[region].given_up
        else f"{region}: try {troubles[region].tries + 1} in {troubles[region].due - now:.0f} s"
        for region in failed
    ]
    return "; ".join(told) or "no partition has failed"


def _given_up(region: str, trouble: Trouble) -> dg.AssetObservation:
    return dg.AssetObservation(
        asset_key=REGIONAL_SNAPSHOT,
        partition=region,
        description=f"Recovery gave up on {region} after {trouble.tries} tries; mend the cause "
        "(the failed runs name it), then materialise the partition.",
        metadata={"recovery": "given up", "tries": trouble.tries},
    )
