"""One region's commit: the arguments of `commit.lua` and its reply (SPEC 6)."""

from typing import TYPE_CHECKING, Any

import msgspec

from regional_assets.redis_link.refusals import refusal
from regional_assets.redis_link.scripts import Call, Script
from regional_assets.redis_link.text import as_text
from regional_assets.store.keys import (
    ALERT_GUARD_EXPIRY,
    DEDUP_EXPIRY,
    OBSERVATION_EXPIRY,
    OBSERVATION_INTERVAL,
    REGIME_HISTORY_LENGTH,
    Keys,
)
from regional_assets.store.wire import encode, member

if TYPE_CHECKING:
    from regional_assets.intelligence.snapshot import Snapshot

COMMIT = Script.load(__package__, "commit.lua")


class Written(msgspec.Struct, frozen=True):
    """The snapshot is stored. `late`: a newer one was there already, so `latest` did not move.
    `alerts_queued` is None when an earlier attempt, whose reply was lost, had written it.
    `repaired`: it says the same as the snapshot before, which readers could not read."""

    alerts_queued: int | None
    late: bool
    repaired: bool = False


class Duplicate(msgspec.Struct, frozen=True):
    """Nothing was written but the time of this confirmation: the region's latest snapshot has the
    same content."""

    of: str


class Superseded(msgspec.Struct, frozen=True):
    """Nothing was written: the region's latest is no longer the snapshot this was compared with."""


class Refused(msgspec.Struct, frozen=True):
    """Nothing was written. `error` is the server's, with the key where it names one."""

    error: str


class Unreplicated(msgspec.Struct, frozen=True):
    """The primary has the commit, but too few replicas do: a failover may lose it. Committing again
    is safe, and tells again how many have it."""

    error: str


CommitReply = Written | Duplicate | Superseded | Refused | Unreplicated


def commit_call(keys: Keys, snapshot: "Snapshot", force: bool, expiry: int) -> Call:
    """The call of `commit.lua` that commits the snapshot under `keys`. `force` writes a duplicate,
    too; `expiry` is that of its body (s). Raises as `encode` does."""
    region, at = snapshot.content.region_id, snapshot.body.generated_at
    apart = OBSERVATION_INTERVAL * 1000
    names = [
        keys.dedup(region, snapshot.content.digest),
        keys.snapshot_at(region, at),
        keys.snapshot_by_id(snapshot.snapshot_id),
        keys.latest(region),
        keys.index(region),
        keys.live(region),
        keys.confirmed(region),
        keys.latest_body(region),
        keys.snapshot_by_id(snapshot.previous_id or snapshot.snapshot_id),
        *(keys.observations(region, metric) for metric in snapshot.observations),
    ]
    entry = b""
    if snapshot.history_entry:
        names.append(keys.regime_history(region))
        entry = encode(snapshot.history_entry)
    if snapshot.alerts:
        names.append(keys.alert_queue)
        names += [keys.alert_guard(a.eventType, a.guard_hash) for a in snapshot.alerts]
    return Call(
        COMMIT,
        names,
        [
            snapshot.snapshot_id,
            at,
            encode(snapshot.body),
            snapshot.previous_id,
            2 if snapshot.lost_previous else int(force),
            expiry,
            DEDUP_EXPIRY,
            at - expiry * 1000,
            ALERT_GUARD_EXPIRY,
            REGIME_HISTORY_LENGTH,
            entry,
            len(snapshot.observations),
            OBSERVATION_EXPIRY,
            at - OBSERVATION_EXPIRY * 1000,
            f"({at - apart}",
            f"({at + apart}",
            *(member(at, value) for value in snapshot.observations.values()),
            *map(encode, snapshot.alerts),
        ],
    )


def commit_reply(reply: Any) -> CommitReply:
    """The reply of `commit.lua`, or the server's error in its place."""
    if isinstance(reply, Exception):
        return Refused(refusal(reply))
    outcome = as_text(reply[0])
    if outcome == "written":
        queued = None if reply[1] < 0 else reply[1]
        return Written(queued, late=reply[2] == b"late", repaired=reply[2] == b"repaired")
    if outcome == "duplicate":
        return Duplicate(of=as_text(reply[1]))
    return Superseded()


def confirmed(reply: CommitReply, wanted: int, reached: Any) -> CommitReply:
    """The reply, unless it stands for a commit that fewer than `wanted` replicas have; `reached` is
    the reply of WAIT, or the server's error."""
    if not isinstance(reply, Written | Duplicate):
        return reply
    if isinstance(reached, Exception):
        return Unreplicated(f"WAIT for {wanted} replicas: {refusal(reached)}; run it again")
    if reached < wanted:
        return Unreplicated(
            f"not on {wanted} replicas yet, but on {reached}; run it again, nothing is doubled "
            "(REGIONAL_REPLICAS)"
        )
    return reply
