"""`input_sensor`: a run for exactly the regions whose content would change."""

from collections.abc import Iterator, Mapping, Sequence

import dagster as dg
import msgspec

from regional_assets.dagster_kit.private import latest_data_versions
from regional_assets.defs.assets.snapshots import REGIONAL_SNAPSHOT
from regional_assets.defs.jobs import SNAPSHOT_JOB
from regional_assets.defs.partitions import run_requests
from regional_assets.defs.resources import ClockResource, SnapshotStoreResource
from regional_assets.defs.sensors.cursors import MOST_TRIES, named, read_cursor, run_key
from regional_assets.errors import STORE_ERRORS
from regional_assets.intelligence.model import Model
from regional_assets.settings import MIN_RUN_INTERVAL, SETTLE, SensorSettings

_REQUESTED_BY = "input_sensor"


class Change(msgspec.Struct):
    """A region whose content would change: the new content's digest, since when it has been this
    one, and since when it has differed from what is stored (seconds since the epoch)."""

    digest: str
    since: float
    first: float


class Request(msgspec.Struct):
    """The last request for a region that has brought nothing yet: the key of its run, its time
    (seconds since the epoch), how many there were, and what was stored when it was made (id of the
    latest snapshot, data version)."""

    run_key: str
    at: float
    tries: int
    stored: list[str | None]


class Watch(msgspec.Struct):
    """What the sensor keeps between ticks, as its cursor."""

    changes: dict[str, Change] = msgspec.field(default_factory=dict)
    requested_at: float = 0.0
    requests: dict[str, Request] = msgspec.field(default_factory=dict)

    @classmethod
    def load(cls, cursor: str | None, now: float) -> "Watch":
        """Reads a cursor; empty when there is none or it cannot be read. Times after `now`, from a
        clock that ran ahead, become `now`, so that nothing waits for them."""
        watch = read_cursor(cursor, cls) or cls()
        watch.requested_at = min(now, watch.requested_at)
        for change in watch.changes.values():
            change.since, change.first = min(now, change.since), min(now, change.first)
        for request in watch.requests.values():
            request.at, request.tries = min(now, request.at), min(MOST_TRIES, request.tries)
        return watch

    def dump(self) -> str:
        return msgspec.json.encode(self).decode()

    def see(
        self,
        differing: Mapping[str, str],
        now: float,
        stored: Mapping[str, list[str | None]] | None = None,
    ) -> None:
        """Notes which regions differ at `now`: region → digest of its new content. Forgets the
        requests for the others, and those since which other things are `stored`."""
        self.changes = {
            region: Change(
                digest,
                before.since if before and before.digest == digest else now,
                before.first if before else now,
            )
            for region, digest in differing.items()
            for before in [self.changes.get(region)]
        }
        self.requests = {
            region: request
            for region, request in self.requests.items()
            if region in differing and stored and stored[region] == request.stored
        }

    def settled(self, now: float, settings: SensorSettings) -> list[str]:
        """The regions to run: those whose new content has been the same for the settling time. A
        feed that never rests would put its regions off for ever, so those that have differed for
        the interval between runs are due as well. A region whose requests bring nothing waits as
        long as recovery does, twice as long each time."""
        return [
            region
            for region, change in self.changes.items()
            if (
                now - change.since >= settings.settle
                or now - change.first >= max(settings.settle, settings.min_run_interval)
            )
            and now >= self.not_before(region, settings)
        ]

    def not_before(self, region: str, settings: SensorSettings) -> float:
        """When the region may be requested again (seconds since the epoch)."""
        request = self.requests.get(region)
        if request is None:
            return 0.0
        return request.at + settings.recovery_pause * 2.0 ** (request.tries - 1)

    def request(
        self, regions: Sequence[str], now: float, stored: Mapping[str, list[str | None]]
    ) -> str:
        """The key of a run over `regions`: since when each differs, and the try. So a tick that is
        evaluated again starts no second run, and a later request is another run. Their changes are
        forgotten: what differs after the run has to settle again."""
        tries = {r: self.requests[r].tries + 1 if r in self.requests else 1 for r in regions}
        key = run_key((r, self.changes.pop(r).first, tries[r]) for r in regions)
        for region in regions:
            self.requests[region] = Request(key, now, tries[region], stored[region])
        self.requested_at = now
        return key


@dg.sensor(
    name="input_sensor",
    job_name=SNAPSHOT_JOB,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description=(
        "Watches the input feeds between scheduled runs and takes new snapshots of exactly the "
        "regions whose content would change: once a change has lasted for REGIONAL_SETTLE "
        f"({SETTLE.default} s), and at most every REGIONAL_MIN_RUN_INTERVAL "
        f"({MIN_RUN_INTERVAL.default} s)."
    ),
)
def input_sensor(
    context: dg.SensorEvaluationContext,
    regional_model: dg.ResourceParam[Model],
    regional_store: SnapshotStoreResource,
    regional_clock: ClockResource,
) -> dg.SensorResult:
    """Makes one round trip to Redis per tick."""
    from regional_assets.runs.snapshots import current_contents

    settings = SensorSettings.from_environment()
    now = regional_clock.now()
    seconds = now / 1000
    watch = Watch.load(context.cursor, seconds)
    try:
        with regional_store.open(regional_model) as store:
            contents = current_contents(store, regional_model.region_ids, now)
    except STORE_ERRORS as error:
        return dg.SensorResult(skip_reason=str(error), cursor=watch.dump())
    known = latest_data_versions(context.instance, REGIONAL_SNAPSHOT)
    differing = {
        region: content.digest
        for region, content in contents.items()
        if content.latest_id is None or known.get(region) != content.digest
    }
    stored = {region: [contents[region].latest_id, known.get(region)] for region in differing}
    watch.see(differing, seconds, stored)
    made = {
        key: _run_of(context.instance, key) for key in {r.run_key for r in watch.requests.values()}
    }
    runs = {region: made[request.run_key] for region, request in watch.requests.items()}
    in_progress = {region for region, run in runs.items() if run and not run.is_finished}
    chosen = [r for r in watch.settled(seconds, settings) if r not in in_progress]
    skip_reason = _why_not(regional_model, watch, chosen, seconds, settings)
    if skip_reason:
        in_vain = named(_in_vain(watch, runs, settings, seconds), "; ")
        reasons = "; ".join(filter(None, [skip_reason, in_vain]))
        return dg.SensorResult(skip_reason=reasons, cursor=watch.dump())
    requests = run_requests(
        regional_model,
        chosen,
        lambda members: watch.request(members, seconds, stored),
        _REQUESTED_BY,
    )
    return dg.SensorResult(run_requests=list(requests), cursor=watch.dump())


def _run_of(instance: dg.DagsterInstance, run_key: str) -> dg.DagsterRun | None:
    """The run that Dagster made of a request; None when it made none."""
    tags = {"dagster/run_key": run_key, "regional/requested_by": _REQUESTED_BY}
    return next(iter(instance.get_runs(dg.RunsFilter(tags=tags), limit=1)), None)


def _in_vain(
    watch: Watch,
    runs: Mapping[str, dg.DagsterRun | None],
    settings: SensorSettings,
    now: float,
) -> Iterator[str]:
    """What became of the requests that have brought nothing yet."""
    for region, run in runs.items():
        became = f"is {run.status.value} (run {run.run_id})" if run else "became no run"
        pause = watch.not_before(region, settings) - now
        again = f"; again in {pause:.0f} s" if pause > 0 else ""
        yield f"request {watch.requests[region].tries} for {region} {became}{again}"


def _why_not(
    model: Model, watch: Watch, chosen: Sequence[str], now: float, settings: SensorSettings
) -> str | None:
    """Why nothing is requested, as the UI shows it."""
    if not watch.changes:
        return f"nothing new: all {len(model.regions)} regions say what is stored"
    regions = named(watch.changes, ", ")
    if not chosen:
        wait = min(settings.settle - (now - change.since) for change in watch.changes.values())
        return f"changed: {regions}" + (f"; settling for another {wait:.0f} s" if wait > 0 else "")
    pause = watch.requested_at + settings.min_run_interval - now
    if pause > 0:
        return f"changed: {regions}; the last run was requested lately, next in {pause:.0f} s"
    return None
