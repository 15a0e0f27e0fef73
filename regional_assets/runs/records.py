"""What is read of each region for the board: three round trips for all of them."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

import msgspec
from msgspec.structs import replace

from regional_assets.errors import PreviousSnapshotError
from regional_assets.intelligence.baselines import Observation, trailing_mean
from regional_assets.intelligence.diff import VERSIONS, Diff, diff, read_previous
from regional_assets.intelligence.stored import (
    Body,
    BodyError,
    Outline,
    Transition,
    read_outline,
)
from regional_assets.intelligence.timing import DAY_MS, last_confirmed
from regional_assets.intelligence.world import World, build_world
from regional_assets.store.last_runs import LastRun
from regional_assets.store.latest import LatestRead, Pointer
from regional_assets.store.past import Past, read_bodies, read_pasts
from regional_assets.store.reading import regime_changes
from regional_assets.store.snapshot_store import SnapshotStore, StoreRead

# People are shown so many regions at once.
MOST_REGIONS = 50
_DAYS = 30
_CHANGES = 12


class Record(msgspec.Struct, frozen=True):
    """A region: its latest snapshot and when it was last confirmed (ms, 0 when not known), or the
    `problem` why it cannot be shown (both empty: the region has none yet).

    `changes` compares the snapshot with the one before (None: it cannot be compared, `problems`
    gives the reason). `days` has the last snapshot of each day, oldest first, without the
    `lost_days` that cannot be read; `transitions` the regime changes, newest first; `observed` the
    last observation by metric, and `baselines` the trailing mean by trigger id. `problems` is what
    else could not be read.
    """

    snapshot: Body | None = None
    problem: str = ""
    confirmed: int = 0
    changes: Diff | None = None
    days: Sequence[Outline | Body] = ()
    lost_days: int = 0
    transitions: Sequence[Transition] = ()
    observed: Mapping[str, Observation] = msgspec.field(default_factory=dict)
    baselines: Mapping[str, float | None] = msgspec.field(default_factory=dict)
    problems: Sequence[str] = ()


class Records(msgspec.Struct, frozen=True):
    """The records by region, what the inputs are now, the last runs by region, and how many regions
    are `hidden`."""

    by_region: Mapping[str, Record]
    world: World
    runs: Mapping[str, LastRun]
    hidden: int = 0


def read_records(store: SnapshotStore, regions: Sequence[str], now: int) -> Records:
    """The records of `regions` as of `now` (ms); of more than `MOST_REGIONS`, of those under most
    pressure. Raises `StoreError` when the server is unavailable."""
    stored = store.read(regions)
    found = {region: shown_of(region, read) for region, read in stored.latest.items()}
    shown = under_most_pressure(found)
    triggers = store.model.applicable_triggers
    metrics = {r: [t.metric for t in triggers if t.region == r] for r in shown}
    pasts, runs = read_pasts(store, metrics, now - _DAYS * DAY_MS, _CHANGES)
    # So far the snapshots are copies; people are shown what readers find.
    latest_ids = {
        region: snapshot.snapshot_id
        for region in shown
        if (snapshot := stored.latest[region].snapshot)
    }
    ids = list(dict.fromkeys([*latest_ids.values(), *_wanted(found, pasts)]))
    bodies = dict(zip(ids, read_bodies(store, ids), strict=True))
    for region, snapshot_id in latest_ids.items():
        pointer = Pointer(region, snapshot_id.encode(), None)
        found[region] = shown_of(region, pointer.with_body(store.keys, bodies[snapshot_id]))
    records = {
        region: _record(store, region, found[region], stored, pasts[region], bodies, now)
        for region in shown
    }
    world = build_world(store.model, stored.values, now, stored.memory(now))
    return Records(records, world, runs, hidden=len(found) - len(shown))


def shown_of(region: str, read: LatestRead) -> Body | str | None:
    """The region's snapshot, None when it has none, or why it cannot be read."""
    try:
        return read.parsed(region)
    except BodyError as error:
        return str(error)


def under_most_pressure(found: Mapping[str, Body | str | None]) -> list[str]:
    """The regions to show, in their order: of more than `MOST_REGIONS` those under most pressure.
    What cannot be read comes before any pressure."""
    if len(found) <= MOST_REGIONS:
        return list(found)

    def rank(region: str) -> float:
        latest = found[region]
        return latest.balance.net_balance if isinstance(latest, Body) else -2

    chosen = set(sorted(found, key=rank)[:MOST_REGIONS])
    return [region for region in found if region in chosen]


def _wanted(found: Mapping[str, Body | str | None], pasts: Mapping[str, Past]) -> list[str]:
    """The ids of the bodies that are still to be read, each once: the last of each day, and the
    one before the latest."""
    ids: dict[str, None] = {}
    for region, past in pasts.items():
        ids |= dict.fromkeys(_last_of_days(past.entries))
        latest = found[region]
        if isinstance(latest, Body):
            ids |= dict.fromkeys(filter(None, [_before(latest, past)]))
    return list(ids)


def _last_of_days(entries: Iterable[tuple[str, float]]) -> list[str]:
    return list({at // DAY_MS: snapshot_id for snapshot_id, at in entries}.values())


def _before(latest: Body, past: Past) -> str | None:
    before = [snapshot_id for snapshot_id, at in past.newest if at < latest.generated_at]
    return before[-1] if before else None


def _record(
    store: SnapshotStore,
    region: str,
    latest: Body | str | None,
    stored: StoreRead,
    past: Past,
    bodies: Mapping[str, bytes | None],
    now: int,
) -> Record:
    transitions, damaged = regime_changes(store, region, past.transitions)
    days, lost = _days(region, latest, past, bodies)
    record = Record(
        problem=latest if isinstance(latest, str) else "",
        days=days,
        lost_days=lost,
        transitions=transitions,
        observed=past.observed,
        problems=[*past.problems, *damaged],
    )
    if not isinstance(latest, Body):
        return record
    read = stored.latest[region].snapshot
    changes, why_not = _changes(store, latest, _before(latest, past), bodies)
    trailing = [t for t in store.model.trailing_triggers if t.region == region]
    rules = store.model.scoring.triggers
    unread = [error for t in trailing if (error := stored.observed[t.id].error)]
    return replace(
        record,
        snapshot=latest,
        confirmed=last_confirmed(now, latest.generated_at, read.confirmed_at if read else None),
        changes=changes,
        baselines={
            t.id: trailing_mean(
                stored.observed[t.id].observations, t.baseline, latest.generated_at, rules
            )
            for t in trailing
            if t.baseline != "fixed"
        },
        problems=[*record.problems, *why_not, *unread],
    )


def _days(
    region: str,
    latest: Body | str | None,
    past: Past,
    bodies: Mapping[str, bytes | None],
) -> tuple[list[Outline | Body], int]:
    """The last snapshot of each day, and how many of them cannot be read."""
    days: list[Outline | Body] = []
    ids = _last_of_days(past.entries)
    for snapshot_id in ids:
        if isinstance(latest, Body) and snapshot_id == latest.meta.snapshot_id:
            days.append(latest)
        elif body := bodies[snapshot_id]:
            with suppress(BodyError):
                days.append(read_outline(region, snapshot_id, body))
    return days, len(ids) - len(days)


def _changes(
    store: SnapshotStore, latest: Body, before: str | None, bodies: Mapping[str, bytes | None]
) -> tuple[Diff | None, list[str]]:
    """What changed since the snapshot before, or why that is not known. A region's first snapshot
    is compared with nothing."""
    previous = None
    if latest.regime.previous_label:
        name = store.keys.snapshot_by_id(before) if before else "the snapshot before"
        body = bodies[before] if before else None
        if not before or not body:
            return None, [f"what changed is not known: {name} is not stored any more"]
        try:
            versions = {name: getattr(latest.meta, name) for name in VERSIONS}
            previous = read_previous(latest.region_id, before, body, versions)
        except PreviousSnapshotError as error:
            return None, [f"what changed is not known: {name} is {error}"]
    return diff(store.model.scoring.difference, previous, latest), []
