"""One run: one read, one world, every region's content, one round trip of commits.

Nothing per region is done that can be done once for all, and nothing in one region can see or
stop another.
"""

import gc
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import uuid_utils
from msgspec.structs import replace

from regional_assets.errors import NoInputsError, PreviousSnapshotError, StoreError
from regional_assets.intelligence.diff import Previous, read_previous
from regional_assets.intelligence.snapshot import (
    Assessment,
    Content,
    Snapshot,
    assess,
    complete,
    region_content,
)
from regional_assets.intelligence.world import World, worlds
from regional_assets.redis_link.text import one_line
from regional_assets.store.commit import (
    CommitReply,
    Duplicate,
    Refused,
    Superseded,
    Unreplicated,
    Written,
)
from regional_assets.store.last_runs import committed_call, record_failures
from regional_assets.store.last_words import keep_call
from regional_assets.store.latest import LatestRead
from regional_assets.store.memory import recall
from regional_assets.store.repair import restore_history
from regional_assets.store.snapshot_store import REGIONS_PER_CALL, Beside, SnapshotStore, StoreRead

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
    repaired: bool = False
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
    """The world a run saw, and its regions' results in the order asked for; `forgotten` says why
    the inputs' last words could not be read or kept, if so, and `unrecorded` why the last runs
    could not be recorded."""

    world: World
    regions: tuple[RegionResult, ...]
    forgotten: str = ""
    unrecorded: str = ""

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


class _Assessed(msgspec.Struct, frozen=True):
    """A region's content, the milliseconds that it took, and how its narrative came about."""

    content: Content
    milliseconds: float
    narration: "Narration | None" = None


@uncollected()
def take_snapshots(
    store: SnapshotStore,
    regions: Iterable[str],
    now: int,
    *,
    force: bool = False,
    narrator: "Narrator | None" = None,
    run_id: str = "",
) -> RunResult:
    """Computes and commits the snapshot of each region at `now` (ms): assess, settle against the
    predecessor, commit.

    A region that fails is in the result with its error; `force` writes duplicates, too. With a
    `narrator` each region is committed as soon as it is narrated, else all in one round trip. What
    became of each is recorded as its last run, of this `run_id`.
    Raises `UnknownRegionError` before any work, and `StoreError` when nothing can be read.
    """
    chosen = store.model.checked_regions(regions)
    stored = store.read(chosen)
    found = _assessment(store, stored, now)
    world = found.world
    records = _Records(store, now, run_id)
    if _is_empty(world):
        why = (
            f"none of the {len(world.inputs)} inputs is there at {store.server}, nor held from "
            "before: nothing was written, and what is stored stands; check the jobs that write "
            "them (`regional-assets inputs status`)"
        )
        records.failed(dict.fromkeys(chosen, why))
        raise NoInputsError(why)
    assessed, results = _assess(store, stored, found, chosen)
    keep = _keep(store, stored, world)
    # Closed even by what ends the run, so that no question outlives it.
    with closing(_narrated(store, narrator, assessed, stored.latest)) as batches:
        for batch in batches:
            results |= _commit(store, batch, stored.latest, force, keep, records)
    problem = stored.remembered.problem if stored.remembered else ""
    forgotten = problem or (keep.refused if keep else "")
    records.failed({r.region_id: r.error or "" for r in results.values() if r.failed})
    ordered = tuple(results[region] for region in chosen)
    return RunResult(world, ordered, forgotten, records.refused)


class _Records:
    """The last runs of regions, as a run records them beside its commits, and at its end."""

    def __init__(self, store: SnapshotStore, now: int, run_id: str) -> None:
        self._store, self._now, self._run_id = store, now, run_id
        self._sent: list[Beside] = []
        self._refused = ""

    def beside(self, snapshots: Sequence[Snapshot]) -> Beside:
        """What goes with the commits of these."""
        ids = {snapshot.content.region_id: snapshot.snapshot_id for snapshot in snapshots}
        self._sent.append(Beside(committed_call(self._store.keys, self._now, self._run_id, ids)))
        return self._sent[-1]

    def failed(self, reasons: Mapping[str, str]) -> None:
        """Records that these regions failed. Nothing depends on it."""
        if reasons:
            try:
                self._refused = record_failures(self._store, self._now, self._run_id, reasons)
            except StoreError as error:
                self._refused = str(error)

    @property
    def refused(self) -> str:
        """Why a record could not be written, if so."""
        return next((one.refused for one in self._sent if one.refused), self._refused)


def _is_empty(world: World) -> bool:
    """Whether no input is there or held, so that a snapshot would say nothing."""
    return not any(world.present(name) for name in world.inputs)


def _assessment(store: SnapshotStore, stored: StoreRead, now: int) -> Assessment:
    """What the inputs say for all regions, and what their last words do."""
    memory = stored.memory(now)
    published, decided = worlds(store.model, stored.values, now, memory)
    if memory and stored.remembered:
        # Those that are there and unusable; in a cluster, all that are missing.
        unread = [
            state.spec.key
            for state in published.inputs.values()
            if state.freshness == "missing" and state.seen and state.spec.key not in memory.words
        ]
        if unread:
            memory = recall(store, unread, stored.remembered).at(now)
            published, decided = worlds(store.model, stored.values, now, memory)
    history = {trigger: read.observations for trigger, read in stored.observed.items()}
    return assess(published, history, decided)


def _keep(store: SnapshotStore, stored: StoreRead, world: World) -> Beside | None:
    """What keeps the last words of the inputs of this run."""
    if not world.remembers or not stored.remembered:
        return None
    states = [s for name, s in world.inputs.items() if not world.momentary(name)]
    call = keep_call(store.keys, states, stored.values, stored.remembered.digests, world.now)
    return Beside(call) if call else None


def _assess(
    store: SnapshotStore, stored: StoreRead, assessment: Assessment, regions: Iterable[str]
) -> tuple[list[_Assessed], dict[str, RegionResult]]:
    """What the inputs say of each region, and the regions of which that cannot be said."""
    unread = _unread_observations(store, stored)
    assessed: list[_Assessed] = []
    failed: dict[str, RegionResult] = {}
    for region in regions:
        started = time.perf_counter()
        try:
            if region in unread:
                raise PreviousSnapshotError(unread[region])
            assessed.append(_Assessed(region_content(assessment, region), _since(started)))
        # Whatever goes wrong in one region is that region's result, not the others' end.
        except Exception as error:
            failed[region] = RegionResult(region, "failed", _since(started), error=_words(error))
    return assessed, failed


def _narrated(
    store: SnapshotStore,
    narrator: "Narrator | None",
    assessed: Sequence[_Assessed],
    latest: Mapping[str, LatestRead],
) -> Generator[Sequence[_Assessed], None, None]:
    """The regions in the batches in which they are committed: all at once without a narrator. No
    model is asked about those that cannot be settled."""
    if narrator is None:
        yield assessed
        return
    from regional_assets.runs.narration import narrations

    of_region = {one.content.region_id: one for one in assessed}
    lost = []
    for region in list(of_region):
        try:
            _previous(store, region, latest[region])
        # What went wrong is told when it is settled.
        except Exception:
            lost.append(of_region.pop(region))
    yield lost
    with closing(
        narrations(store, narrator, [one.content for one in of_region.values()])
    ) as batches:
        for batch in batches:
            yield [replace(of_region[region], narration=n) for region, n in batch.items()]


def _commit(
    store: SnapshotStore,
    assessed: Sequence[_Assessed],
    latest: Mapping[str, LatestRead],
    force: bool,
    keep: Beside | None,
    records: _Records,
) -> dict[str, RegionResult]:
    """Settles each region against its latest snapshot and commits it; `keep` goes with the first
    message. A region that another run moved meanwhile is settled again against what is there now,
    until the region deadline."""
    results: dict[str, RegionResult] = {}
    deadline = time.monotonic() + store.region_deadline
    pending = list(assessed)
    while pending:
        settled: list[tuple[_Assessed, Snapshot]] = []
        for one in pending:
            region = one.content.region_id
            try:
                settled.append((one, _settle(store, one, latest[region])))
            except Exception as error:
                results[region] = _result(one, "failed", error=_words(error))
        started = time.perf_counter()
        ready = [snapshot for _, snapshot in settled]
        replies = _replies(store, ready, force, deadline, keep, records)
        moved: list[_Assessed] = []
        for (one, snapshot), reply in zip(settled, replies, strict=True):
            one = replace(one, milliseconds=one.milliseconds + _since(started))
            region = one.content.region_id
            match reply:
                case Written(alerts_queued, late, repaired):
                    if repaired:
                        # The region is written; a history that is not put back stays as it is.
                        with suppress(StoreError):
                            restore_history(store, region)
                    found = {"alerts_queued": alerts_queued, "late": late, "repaired": repaired}
                    results[region] = _result(one, "written", snapshot, **found)
                case Duplicate(of):
                    results[region] = _result(one, "duplicate", snapshot, duplicate_of=of)
                case Refused(words) | Unreplicated(words):
                    results[region] = _result(one, "failed", snapshot, error=words)
                case Superseded() if time.monotonic() < deadline:
                    moved.append(one)
                case Superseded():
                    words = (
                        f"other runs kept moving {store.keys.latest(region)} for "
                        f"{store.region_deadline:g} s; run the region again"
                    )
                    results[region] = _result(one, "failed", snapshot, error=words)
        pending = moved
        if pending:
            store.give_way()
            latest = _latest(store, [one.content.region_id for one in pending])
    return results


def _settle(store: SnapshotStore, one: _Assessed, latest: LatestRead) -> Snapshot:
    """The snapshot that the content makes after the region's latest one."""
    content, narration = one.content, one.narration
    previous = _previous(store, content.region_id, latest)
    # Ids sort by the time the snapshot is of, as the index does.
    snapshot_id = str(uuid_utils.uuid7(nanoseconds=content.world.now * 1_000_000))
    if narration is None:
        return complete(content, previous, snapshot_id)
    wrote = {"provider": narration.provider, "model_name": narration.model}
    return complete(content, previous, snapshot_id, narration.narrative, **wrote)


def _previous(store: SnapshotStore, region: str, latest: LatestRead) -> Previous | None:
    """What the region is compared with (None: it has no snapshot). Raises `PreviousSnapshotError`
    when the server does not say."""
    if latest.lost is not None:
        return Previous.unreadable(latest.lost, "gone")
    if latest.error:
        raise PreviousSnapshotError(f"the previous snapshot cannot be read: {latest.error}")
    stored = latest.snapshot
    if stored is None:
        return None
    try:
        previous = read_previous(
            region, stored.snapshot_id, stored.body, store.model.stored_versions
        )
    except PreviousSnapshotError as error:
        return Previous.unreadable(stored.snapshot_id, str(error))
    # What an older dump holds is no ground for news.
    unknown = dict.fromkeys(previous.versions, "")
    return replace(previous, versions=unknown) if store.went_back else previous


def _replies(
    store: SnapshotStore,
    snapshots: Sequence[Snapshot],
    force: bool,
    deadline: float,
    keep: Beside | None,
    records: _Records,
) -> list[CommitReply]:
    replies: list[CommitReply] = []
    try:
        # Message by message: what the server answered before it was lost is known.
        for start in range(0, len(snapshots), REGIONS_PER_CALL):
            batch = snapshots[start : start + REGIONS_PER_CALL]
            beside = [records.beside(batch), *([keep] if keep and not keep.sent else [])]
            replies += store.commit(batch, force=force, deadline=deadline, beside=beside)
    except StoreError as error:
        replies += [Refused(str(error))] * (len(snapshots) - len(replies))
    return replies


def _latest(store: SnapshotStore, regions: Sequence[str]) -> Mapping[str, LatestRead]:
    try:
        return store.read(regions, inputs=False).latest
    except StoreError as error:
        return dict.fromkeys(regions, LatestRead(error=str(error)))


def _result(
    one: _Assessed,
    outcome: Literal["written", "duplicate", "failed"],
    snapshot: Snapshot | None = None,
    **found: Any,
) -> RegionResult:
    region, narration = one.content.region_id, one.narration
    return RegionResult(region, outcome, one.milliseconds, snapshot, narration=narration, **found)


class Current(msgspec.Struct, frozen=True):
    """What a region would say now: its digest, and the id of the snapshot that is stored."""

    digest: str
    latest_id: str | None


@uncollected()
def current_contents(store: SnapshotStore, regions: Iterable[str], now: int) -> dict[str, Current]:
    """The content of each region at `now` (ms), in one round trip and without writing. A region
    whose stored snapshot cannot be read or whose content fails is left out, for a run to report."""
    stored = store.read(store.model.checked_regions(regions))
    assessment = _assessment(store, stored, now)
    contents: dict[str, Current] = {}
    if _is_empty(assessment.world):
        return contents
    for region, latest in stored.latest.items():
        if not latest.error:
            with suppress(Exception):
                contents[region] = Current(
                    region_content(assessment, region).digest,
                    latest.snapshot.snapshot_id if latest.snapshot else None,
                )
    return contents


def _unread_observations(store: SnapshotStore, stored: StoreRead) -> dict[str, str]:
    """Region id → why what was observed there before cannot be read. As with a previous snapshot,
    that is not the same as nothing before; the regions of other triggers do without."""
    return {
        trigger.region: f"the observations before cannot be read: {read.error}"
        for trigger in store.model.trailing_triggers
        if (read := stored.observed[trigger.id]).error
    }


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000


def _words(error: Exception) -> str:
    text = one_line(error)
    return text if isinstance(error, PreviousSnapshotError) else f"{type(error).__name__}: {text}"
