"""`input_sensor`: a run for exactly the regions whose content would change."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import dagster as dg

from regional_assets.defs.assets.snapshots import REGIONAL_SNAPSHOT
from regional_assets.defs.jobs import SNAPSHOT_JOB
from regional_assets.defs.partitions import run_requests
from regional_assets.defs.reporting import DATA_VERSION_TAG
from regional_assets.defs.resources import ClockResource, SnapshotStoreResource
from regional_assets.intelligence.geography import REGION_IDS
from regional_assets.settings import SensorSettings
from regional_assets.store.errors import STORE_ERRORS

if TYPE_CHECKING:
    from regional_assets.runs.snapshots import Current


@dataclass
class Change:
    """A region whose content would change: the new content's digest, since when it has been this
    one, and since when it has differed from what is stored (seconds since the epoch)."""

    digest: str
    since: float
    first: float


@dataclass
class Watch:
    """What the sensor keeps between ticks, as its cursor."""

    changes: dict[str, Change] = field(default_factory=dict)
    requested_at: float = 0.0

    @classmethod
    def load(cls, cursor: str | None) -> "Watch":
        """Reads a cursor; empty when there is none or it cannot be read."""
        try:
            stored = json.loads(cursor or "{}")
            changes = {region: Change(**change) for region, change in stored["changes"].items()}
            return cls(changes, float(stored["requested_at"]))
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls()

    def dump(self) -> str:
        return json.dumps(asdict(self))

    def see(self, differing: Mapping[str, str], now: float) -> None:
        """Notes which regions differ at `now`: region → digest of its new content."""
        self.changes = {
            region: Change(
                digest,
                before.since if before and before.digest == digest else now,
                before.first if before else now,
            )
            for region, digest in differing.items()
            for before in [self.changes.get(region)]
        }

    def settled(self, now: float, settings: SensorSettings) -> list[str]:
        """The regions to run: those whose new content has been the same for the settling time. A
        feed that never rests would put its regions off for ever, so those that have differed for
        the interval between runs are due as well."""
        return [
            region
            for region, change in self.changes.items()
            if now - change.since >= settings.settle
            or now - change.first >= max(settings.settle, settings.min_interval)
        ]

    def requested(self, regions: Sequence[str], now: float) -> None:
        """Forgets the requested regions: what differs after the run has to settle again."""
        self.requested_at = now
        for region in regions:
            del self.changes[region]


@dg.sensor(
    name="input_sensor",
    job=SNAPSHOT_JOB,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description=(
        "Watches the input feeds between scheduled runs and takes new snapshots of exactly the "
        "regions whose content would change: once a change has lasted for REGIONAL_SETTLE (60 s), "
        "and at most every REGIONAL_MIN_RUN_INTERVAL (300 s)."
    ),
)
def input_sensor(
    context: dg.SensorEvaluationContext,
    snapshot_store: SnapshotStoreResource,
    clock: ClockResource,
) -> dg.SensorResult:
    """Makes one round trip to Redis per tick."""
    from regional_assets.runs.snapshots import current_contents

    settings = SensorSettings.from_environment()
    now = clock.now()
    watch = Watch.load(context.cursor)
    try:
        with snapshot_store.open() as store:
            contents = current_contents(store, REGION_IDS, now)
    except STORE_ERRORS as error:
        return dg.SensorResult(skip_reason=str(error), cursor=watch.dump())
    known = _data_versions(context.instance)
    differing = {
        region: content.digest
        for region, content in contents.items()
        if content.latest_id is None or known.get(region) != content.digest
    }
    seconds = now / 1000
    watch.see(differing, seconds)
    chosen = watch.settled(seconds, settings)
    skip_reason = _why_not(watch, chosen, seconds, settings)
    if skip_reason:
        return dg.SensorResult(skip_reason=skip_reason, cursor=watch.dump())
    watch.requested(chosen, seconds)
    requests = run_requests(chosen, lambda members: _run_key(members, contents), "input_sensor")
    return dg.SensorResult(run_requests=list(requests), cursor=watch.dump())


def _data_versions(instance: dg.DagsterInstance) -> dict[str, str]:
    """Region id → data version of its latest materialisation."""
    found = {}
    for region in REGION_IDS:
        records = instance.fetch_materializations(
            dg.AssetRecordsFilter(REGIONAL_SNAPSHOT, asset_partitions=[region]), limit=1
        ).records
        for record in records:
            materialisation = record.asset_materialization
            if materialisation and materialisation.tags:
                found[region] = materialisation.tags.get(DATA_VERSION_TAG, "")
    return found


def _why_not(
    watch: Watch, chosen: Sequence[str], now: float, settings: SensorSettings
) -> str | None:
    """Why nothing is requested, as the UI shows it."""
    if not watch.changes:
        return f"nothing new: all {len(REGION_IDS)} regions say what is stored"
    regions = ", ".join(watch.changes)
    if not chosen:
        wait = min(settings.settle - (now - change.since) for change in watch.changes.values())
        return f"changed: {regions}; settling for another {max(wait, 0):.0f} s"
    pause = watch.requested_at + settings.min_interval - now
    if pause > 0:
        return f"changed: {regions}; the last run was requested lately, next in {pause:.0f} s"
    return None


def _run_key(regions: Sequence[str], contents: "Mapping[str, Current]") -> str:
    """From which snapshots to which content: the same change is requested once for ever, and a
    change back is another one."""
    change = [(r, contents[r].latest_id, contents[r].digest) for r in regions]
    return hashlib.sha256(json.dumps(change).encode()).hexdigest()
