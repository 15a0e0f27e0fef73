"""One run: one read, one world, every region's content, one round trip of commits.

Nothing per region is done that can be done once for all, and nothing in one region can see or
stop another.
"""

import gc
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Literal

import msgspec
import uuid_utils
from msgspec.structs import replace

from regional_assets.intelligence.diff import PreviousSnapshotError, read_previous
from regional_assets.intelligence.narrative import EMPTY, Narrative
from regional_assets.intelligence.snapshot import (
    Content,
    Snapshot,
    assess,
    complete,
    region_content,
)
from regional_assets.intelligence.triggers import History
from regional_assets.intelligence.world import World, build_world
from regional_assets.store.commit import (
    CommitReply,
    Duplicate,
    Refused,
    Superseded,
    Unreplicated,
    Written,
)
from regional_assets.store.errors import StoreError, one_line
from regional_assets.store.keys import Keys
from regional_assets.store.latest import LatestRead
from regional_assets.store.snapshot_store import BATCH, SnapshotStore, StoreRead

if TYPE_CHECKING:
    from regional_assets.narrative.narrator import Narrator
    from regional_assets.runs.narration import Narration


class RegionResult(msgspec.Struct, frozen=True):
    """What became of one region in a run.

    `snapshot` is what was computed (None when that failed), whether written or not; `duplicate_of`
    the stored snapshot that says the same; `milliseconds` the time its content took plus the
    commit it shared; `narration` how its narrative came about (None when narratives are off).
    """

    region_id: str
    outcome: Literal["written", "duplicate", "failed"]
    milliseconds: float
    snapshot: Snapshot | None = None
    duplicate_of: str | None = None
    alerts_queued: int | None = 0
    late: bool = False
    error: str | None = None
    narration: "Narration | None" = None

    @property
    def failed(self) -> bool:
        """Whether nothing that is stored stands for this result."""
        return self.outcome == "failed"

    @property
    def stored_id(self) -> str | None:
        """The id of the stored snapshot that stands for this result."""
        if self.failed or self.snapshot is None:
            return None
        return self.duplicate_of or self.snapshot.snapshot_id


class RunResult(msgspec.Struct, frozen=True):
    """The world a run saw, and its regions' results in the order asked for."""

    world: World
    regions: tuple[RegionResult, ...]

    @property
    def failed(self) -> tuple[RegionResult, ...]:
        """The regions that failed."""
        return tuple(region for region in self.regions if region.failed)


@contextmanager
def uncollected() -> Iterator[None]:
    """Pauses Python's cyclic garbage collector. A run keeps all that it makes until it ends, so the
    collector finds nothing, and its scans take a seventh of a run over thousands of regions."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


@uncollected()
def take_snapshots(
    store: SnapshotStore,
    regions: Iterable[str],
    now: int,
    *,
    force: bool = False,
    narrator: "Narrator | None" = None,
) -> RunResult:
    """Computes and commits the snapshot of each region at `now` (ms).

    A region that fails is in the result with its error; `force` writes duplicates, too. With a
    `narrator` each region is committed as soon as it is narrated, else all in one round trip.
    Raises `UnknownRegionError` before any work, and `StoreError` when nothing can be read.
    """
    chosen = store.model.checked_regions(regions)
    stored = store.read(chosen)
    world = build_world(store.model, stored.values, now)
    assessment = assess(world, _history(stored))
    unread = _unread_observations(store, stored)
    results: dict[str, RegionResult] = {}
    pending: list[tuple[Snapshot, float]] = []
    for region in chosen:
        started = time.perf_counter()
        try:
            if region in unread:
                raise PreviousSnapshotError(unread[region])
            content = region_content(assessment, region)
            snapshot = _complete(store.keys, content, stored.latest[region])
        # Whatever goes wrong in one region is that region's result, not the others' end.
        except Exception as error:
            results[region] = RegionResult(region, "failed", _since(started), error=_words(error))
        else:
            pending.append((snapshot, _since(started)))
    if narrator is None:
        results |= _commit(store, pending, force)
    else:
        results |= _narrate_and_commit(store, narrator, pending, stored.latest, force)
    return RunResult(world, tuple(results[region] for region in chosen))


class Current(msgspec.Struct, frozen=True):
    """What a region would say now: its digest, and the id of the snapshot that is stored."""

    digest: str
    latest_id: str | None


@uncollected()
def current_contents(store: SnapshotStore, regions: Iterable[str], now: int) -> dict[str, Current]:
    """The content of each region at `now` (ms), in one round trip and without writing. A region
    whose stored snapshot cannot be read or whose content fails is left out, for a run to report."""
    stored = store.read(store.model.checked_regions(regions))
    assessment = assess(build_world(store.model, stored.values, now), _history(stored))
    contents = {}
    for region, latest in stored.latest.items():
        if not latest.error:
            with suppress(Exception):
                contents[region] = Current(
                    region_content(assessment, region).digest,
                    latest.snapshot.snapshot_id if latest.snapshot else None,
                )
    return contents


def _history(stored: StoreRead) -> History:
    return {trigger_id: read.observations for trigger_id, read in stored.observed.items()}


def _unread_observations(store: SnapshotStore, stored: StoreRead) -> dict[str, str]:
    """Region id → why what was observed there before cannot be read. As with a previous snapshot,
    that is not the same as nothing before; the regions of other triggers do without."""
    return {
        trigger.region: f"the observations before cannot be read: {read.error}"
        for trigger in store.model.trailing_triggers
        if (read := stored.observed[trigger.id]).error
    }


def _complete(
    keys: Keys, content: Content, latest: LatestRead, narrative: Narrative = EMPTY
) -> Snapshot:
    region = content.region_id
    if latest.error:
        raise PreviousSnapshotError(
            f"the previous snapshot cannot be read: {latest.error}; {_anew(keys, region)}"
        )
    previous = None
    if latest.snapshot:
        snapshot_id = latest.snapshot.snapshot_id
        try:
            previous = read_previous(snapshot_id, latest.snapshot.body)
        except PreviousSnapshotError as error:
            raise PreviousSnapshotError(
                f"the previous snapshot {latest.snapshot.key} is {error}; "
                f"{_anew(keys, region)}, and ZREM {snapshot_id} from {keys.index(region)}"
            ) from None
    # Ids sort by the time the snapshot is of, as the index does.
    snapshot_id = str(uuid_utils.uuid7(nanoseconds=content.world.now * 1_000_000))
    return complete(content, previous, snapshot_id, narrative)


def _anew(keys: Keys, region: str) -> str:
    return f"to start the region anew, delete {keys.latest(region)}"


def _narrate_and_commit(
    store: SnapshotStore,
    narrator: "Narrator",
    pending: Sequence[tuple[Snapshot, float]],
    latest: Mapping[str, LatestRead],
    force: bool,
) -> dict[str, RegionResult]:
    from regional_assets.runs.narration import narrations

    contents = {s.content.region_id: (s.content, spent) for s, spent in pending}
    results: dict[str, RegionResult] = {}
    # Closed even by what ends the run, so that no question outlives it.
    with closing(narrations(store, narrator, [s.content for s, _ in pending])) as batches:
        for batch in batches:
            told = [
                (_complete(store.keys, content, latest[region], n.narrative), spent)
                for region, n in batch.items()
                for content, spent in [contents[region]]
            ]
            for region, result in _commit(store, told, force).items():
                results[region] = replace(result, narration=batch[region])
    return results


def _commit(
    store: SnapshotStore, pending: Sequence[tuple[Snapshot, float]], force: bool
) -> dict[str, RegionResult]:
    results: dict[str, RegionResult] = {}
    deadline = time.monotonic() + store.region_deadline
    while pending:
        started = time.perf_counter()
        replies: list[CommitReply] = []
        try:
            # Message by message: what the server answered before it was lost is known.
            for start in range(0, len(pending), BATCH):
                batch = [snapshot for snapshot, _ in pending[start : start + BATCH]]
                replies += store.commit(batch, force=force, deadline=deadline)
        except StoreError as error:
            replies += [Refused(str(error))] * (len(pending) - len(replies))
        superseded: list[tuple[Snapshot, float]] = []
        for (snapshot, spent), reply in zip(pending, replies, strict=True):
            region = snapshot.content.region_id
            milliseconds = spent + _since(started)
            match reply:
                case Written(alerts_queued, late):
                    results[region] = RegionResult(
                        region,
                        "written",
                        milliseconds,
                        snapshot,
                        alerts_queued=alerts_queued,
                        late=late,
                    )
                case Duplicate(of):
                    results[region] = RegionResult(
                        region, "duplicate", milliseconds, snapshot, duplicate_of=of
                    )
                case Refused(words) | Unreplicated(words):
                    results[region] = RegionResult(
                        region, "failed", milliseconds, snapshot, error=words
                    )
                case Superseded() if time.monotonic() < deadline:
                    superseded.append((snapshot, milliseconds))
                case Superseded():
                    results[region] = RegionResult(
                        region,
                        "failed",
                        milliseconds,
                        snapshot,
                        error=f"other runs kept moving {store.keys.latest(region)} for "
                        f"{store.region_deadline:g} s; run the region again",
                    )
        pending, failed = _compare_again(store, superseded)
        results |= failed
    return results


def _compare_again(
    store: SnapshotStore, superseded: Sequence[tuple[Snapshot, float]]
) -> tuple[list[tuple[Snapshot, float]], dict[str, RegionResult]]:
    """The same contents, completed against the snapshots that other runs wrote meanwhile."""
    if not superseded:
        return [], {}
    store.give_way()
    again: list[tuple[Snapshot, float]] = []
    failed: dict[str, RegionResult] = {}
    contents = {s.content.region_id: (s, spent) for s, spent in superseded}
    try:
        latest = store.read(list(contents), inputs=False).latest
    except StoreError as error:
        latest = {region: LatestRead(error=str(error)) for region in contents}
    for region, (snapshot, spent) in contents.items():
        try:
            told = _complete(store.keys, snapshot.content, latest[region], snapshot.narrative)
            again.append((told, spent))
        except Exception as error:
            failed[region] = RegionResult(region, "failed", spent, error=_words(error))
    return again, failed


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000


def _words(error: Exception) -> str:
    text = one_line(error)
    return text if isinstance(error, PreviousSnapshotError) else f"{type(error).__name__}: {text}"
