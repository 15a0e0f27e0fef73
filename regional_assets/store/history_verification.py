"""Whether a region's regime history agrees with its stored snapshots."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import pairwise

import msgspec

from regional_assets.intelligence.regime import CALM
from regional_assets.intelligence.stored import (
    Body,
    BodyError,
    Transition,
    read_body,
    read_transitions,
)
from regional_assets.store.keys import REGIME_HISTORY_LENGTH


class Indexed(msgspec.Struct, frozen=True):
    """A readable snapshot of the index, and when it expires (ms; negative for never)."""

    snapshot: Body
    expires_at: int


def history_problems(
    name: str,
    region: str,
    history: Sequence[bytes],
    indexed: Mapping[str, Indexed],
    label: str | None,
    oldest: float,
    bodies: Callable[[Sequence[str]], Sequence[bytes | None]],
) -> list[str]:
    """What is wrong with the history under the key `name`, newest first, of a region whose latest
    snapshot has the regime `label` (None: it has none).

    `indexed` are the snapshots of the index by id. Those from before `oldest` (ms) have expired.
    `bodies` reads others by id: a region is started anew by taking its snapshot out of the index.
    """
    problems = []
    if len(history) > REGIME_HISTORY_LENGTH:
        problems.append(f"{name} has {len(history)} entries, more than {REGIME_HISTORY_LENGTH}")
    entries, damaged = read_transitions(region, history)
    # By their positions in the list, as LINDEX takes them.
    problems += [f"{name}: entry {place - 1} is {why}" for place, why in damaged.items()]
    times = Counter(entry.snapshot_id for entry in entries)
    problems += [f"{name} has {id} twice" for id, number in times.items() if number > 1]
    known = [indexed[e.snapshot_id].snapshot for e in entries if e.snapshot_id in indexed]
    if any(newer.generated_at < older.generated_at for newer, older in pairwise(known)):
        problems.append(f"{name} is not in the order of its snapshots, newest first")
    others = [
        e.snapshot_id
        for e in entries
        if e.snapshot_id not in indexed and e.transitioned_at > oldest
    ]
    stored = dict(zip(others, bodies(others), strict=True)) if others else {}
    for entry in entries:
        id = entry.snapshot_id
        if id in stored and stored[id] is None:
            problems.append(f"{name} names {id}, which is not stored")
        elif not _agrees(entry, indexed.get(id), stored.get(id)):
            problems.append(f"{name}: the entry of {id} is not what that snapshot says")
    problems += [
        f"{name} lacks the change to {snapshot.regime.label} by {snapshot.meta.snapshot_id}"
        for snapshot in _unrecorded(indexed.values(), entries, len(history))
    ]
    return problems + _gaps(name, entries, indexed.values(), label)


def _agrees(entry: Transition, indexed: Indexed | None, body: bytes | None) -> bool:
    """Whether the entry is what its snapshot says: that of the index, or else the one in `body`. An
    expired one says nothing, nor does a damaged one that was taken out of the index."""
    try:
        snapshot = indexed.snapshot if indexed else None
        if body is not None:
            snapshot = read_body(entry.region_id, entry.snapshot_id, body)
    except BodyError:
        return True
    if snapshot is None:
        return True
    regime = snapshot.regime
    times = (snapshot.generated_at, regime.transitioned_at)
    regimes = (entry.label, entry.previous_label)
    return regimes == (regime.label, regime.previous_label) and entry.transitioned_at in times


def _unrecorded(
    indexed: Collection[Indexed], entries: Sequence[Transition], length: int
) -> Iterator[Body]:
    """The snapshots that changed the regime and are not in the history."""
    recorded = {entry.snapshot_id for entry in entries}
    # A region that was started anew has entries since then; a full history lost its oldest.
    since = max((i.snapshot.generated_at for i in indexed if _is_first(i.snapshot)), default=0)
    if length >= REGIME_HISTORY_LENGTH:
        since = max([since, *(entry.transitioned_at for entry in entries[-1:])])
    first_to_expire = math.inf
    for newer in sorted(indexed, key=lambda i: -i.snapshot.generated_at):
        snapshot = newer.snapshot
        # A late snapshot was written, so it expires, after a newer one; it makes no entry.
        late = newer.expires_at >= first_to_expire
        first_to_expire = min(first_to_expire, newer.expires_at)
        changed = snapshot.regime.label != (snapshot.regime.previous_label or CALM)
        accounted = late or _is_rescored(snapshot) or snapshot.meta.snapshot_id in recorded
        if changed and not accounted and snapshot.generated_at >= since:
            yield snapshot


def _gaps(
    name: str, entries: Sequence[Transition], indexed: Collection[Indexed], label: str | None
) -> list[str]:
    """Where a change does not start from the regime that the one before it led to."""
    snapshots = [i.snapshot for i in indexed]
    # No entry has a calm beginning or a change of scoring.
    starts = [
        (s.generated_at, s.regime.label)
        for s in snapshots
        if _is_rescored(s) or (_is_first(s) and s.regime.label == CALM)
    ]
    oldest = min((s.generated_at for s in snapshots), default=math.inf)

    def follows(regime: str, change: Transition) -> bool:
        """Whether a region can be in `regime` when `change` was its last."""
        at = change.transitioned_at
        # What came before the oldest snapshot is not known.
        return (
            regime == change.label
            or at < oldest
            or any(at <= start and there == regime for start, there in starts)
        )

    if entries and label is not None and not follows(label, entries[0]):
        return [f"{name} ends at {entries[0].label!r}, the latest snapshot says {label!r}"]
    # A change from "" starts a new history.
    if any(n.previous_label and not follows(n.previous_label, o) for n, o in pairwise(entries)):
        return [f"{name} has a gap: a change does not start where the one before it ended"]
    return []


def _is_first(snapshot: Body) -> bool:
    return not snapshot.regime.previous_label


def _is_rescored(snapshot: Body) -> bool:
    return snapshot.meta.trigger_reason == "rescored"
