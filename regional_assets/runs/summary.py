"""The summary of all regions: what it says and when it is written; and the seed-meta that health
checks read (SPEC 6, Summary)."""

from collections.abc import Mapping
from contextlib import suppress

import msgspec
from msgspec.structs import replace

from regional_assets.intelligence.diff import Diff
from regional_assets.intelligence.stored import Body, BodyError, SummaryRow, read_summary
from regional_assets.intelligence.timing import YOUNG_MS, last_confirmed
from regional_assets.runs.records import MOST_REGIONS, shown_of
from regional_assets.runs.snapshots import RunResult
from regional_assets.store.latest import LatestRead
from regional_assets.store.snapshot_store import SnapshotStore, Summary


class SummaryResult(msgspec.Struct, frozen=True):
    """What became of the summary: `outcome` is `written`, or `stands: ` with the reason.

    `snapshots` are what is stored of the regions that have a readable one, `damaged` why those of
    others cannot be read, `confirmed` when each region was last written or confirmed (ms, 0: not
    known), `stale` those to which that did not happen in time.
    """

    outcome: str
    snapshots: Mapping[str, Body]
    damaged: Mapping[str, str]
    confirmed: Mapping[str, int]
    stale: tuple[str, ...]


def update_summary(store: SnapshotStore, now: int, run: RunResult | None = None) -> SummaryResult:
    """Writes the summary at `now` (ms) unless the stored one is to be kept, and in either case its
    seed-meta. `run` is the run before it, in which no region failed; None when the summary alone
    was asked for. Raises `StoreError`."""
    result = SummaryResult("", {}, {}, {}, ())

    def summarise(latest: Mapping[str, LatestRead], stored: bytes | None) -> Summary | None:
        nonlocal result
        result = _look(latest, now)
        confirmed, snapshots = result.confirmed, result.snapshots
        seed_meta = {
            "fetchedAt": min(confirmed.values()),
            "recordCount": len(confirmed) - len(result.stale),
        }
        newest = max((snapshot.generated_at for snapshot in snapshots.values()), default=0)
        due = run is None or _is_due(store, run, newest, stored)
        if result.damaged or not snapshots or not due:
            result = replace(result, outcome=f"stands: {_reason(result.damaged)}")
            return Summary(None, seed_meta) if stored else None
        rows = [*map(row_of, snapshots.values())]
        return Summary({"regions": rows, "generatedAt": max(now, newest)}, seed_meta)

    store.update_summary(store.model.region_ids, summarise)
    return result


def row_of(snapshot: Body) -> SummaryRow:
    """What the summary says of a region."""
    return SummaryRow(
        snapshot.region_id,
        snapshot.regime.label,
        snapshot.meta.snapshot_confidence,
        len(snapshot.triggers.active),
        snapshot.meta.trigger_reason,
    )


def changes_of_run(result: SummaryResult, run: RunResult) -> dict[str, tuple[Body, Diff]]:
    """The regions that the run wrote: their snapshots, and what changed since those before."""
    return {
        region.region_id: (result.snapshots[region.region_id], region.snapshot.changes)
        for region in run.regions
        if region.outcome == "written" and region.snapshot and region.region_id in result.snapshots
    }


def _look(latest: Mapping[str, LatestRead], now: int) -> SummaryResult:
    """What is stored, for a summary that is written."""
    snapshots: dict[str, Body] = {}
    damaged: dict[str, str] = {}
    confirmed = dict.fromkeys(latest, 0)
    for region, read in latest.items():
        match shown_of(region, read):
            case str(reason):
                damaged[region] = reason
            case Body() as snapshot:
                snapshots[region] = snapshot
                at = read.snapshot.confirmed_at if read.snapshot else None
                confirmed[region] = last_confirmed(now, snapshot.generated_at, at)
    stale = tuple(region for region, at in confirmed.items() if now - at >= YOUNG_MS)
    return SummaryResult("written", snapshots, damaged, confirmed, stale)


def _reason(damaged: Mapping[str, str]) -> str:
    """Why the stored summary stands."""
    why = [f"{region} cannot be read: {words}" for region, words in damaged.items()]
    if len(why) > MOST_REGIONS:
        why[MOST_REGIONS:] = [f"{len(why) - MOST_REGIONS} more"]
    return "; ".join(why) or "no region changed"


def _is_due(store: SnapshotStore, run: RunResult, newest: int, stored: bytes | None) -> bool:
    """Whether a run in which no region failed calls for a new summary.

    It does when it wrote a region; a run of nothing but duplicates does when it saw all regions
    and the run that wrote them did not live to write the summary.
    """
    if any(region.outcome == "written" for region in run.regions):
        return True
    generated_at = -1
    with suppress(BodyError):
        generated_at = read_summary(stored or b"").generatedAt
    return len(run.regions) == len(store.model.regions) and generated_at < newest
