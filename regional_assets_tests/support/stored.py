"""What is stored, seen whole: whether it is what the chain of stored snapshots should have left
behind, nothing lost and nothing doubled."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import msgspec
import redis

from regional_assets.intelligence.alerts import alerts
from regional_assets.intelligence.diff import Diff, diff, read_previous
from regional_assets.intelligence.stored import Alert, Body
from regional_assets.store.keys import REGIME_HISTORY_LENGTH
from regional_assets_tests.support.built_in import (
    COMPANION_KEYS,
    INPUT_KEYS,
    MODEL,
    REGION_IDS,
)
from regional_assets_tests.support.stores import keys


@dataclass(frozen=True)
class Told:
    """What readers are told of a region: the ids of the snapshots in its regime history, and its
    alerts as (snapshot id, title), both oldest first."""

    history: list[str]
    alerts: list[tuple[str, str]]


def should_be_told(region: str, bodies: Sequence[bytes | None]) -> Told:
    """What a chain of snapshots tells, each compared with the one before it; the first of
    `bodies` is only compared with (None: the region's beginning)."""
    history: list[str] = []
    told: dict[str, str] = {}
    for before, after in pairwise(bodies):
        assert after is not None
        snapshot_id = json.loads(after)["meta"]["snapshot_id"]
        changes = _changes(region, before, after)
        if changes.rescored:
            continue
        if changes.regime_changed:
            history.append(snapshot_id)
        for alert in alerts(MODEL.region(region), changes, MODEL.scoring.alerts, snapshot_id, 0):
            # The same words within six hours are told once.
            told.setdefault(alert.payload.title, snapshot_id)
    kept = history[-REGIME_HISTORY_LENGTH:]
    return Told(kept, [(snapshot_id, title) for title, snapshot_id in told.items()])


def told(client: redis.Redis, region: str) -> Told:
    """What readers of that region really find."""
    history = [json.loads(entry) for entry in listed(client, keys.regime_history(region))]
    queue = [json.loads(alert)["payload"] for alert in listed(client, keys.alert_queue)]
    return Told(
        [entry["snapshot_id"] for entry in history],
        [(a["snapshot_id"], a["title"]) for a in queue if a["region_id"] == region],
    )


def indexed(client: redis.Redis, region: str) -> list[str]:
    """The ids in the region's index, oldest first."""
    members: Any = client.zrange(keys.index(region), 0, -1)
    return [member.decode() for member in members]


def bodies(client: redis.Redis, snapshot_ids: Iterable[str]) -> list[bytes]:
    """The stored snapshots of these ids, each of which has to be there."""
    found = [client.get(keys.snapshot_by_id(snapshot_id)) for snapshot_id in snapshot_ids]
    assert all(isinstance(body, bytes) for body in found)
    return found  # type: ignore[return-value]


def latest_id(client: redis.Redis, region: str) -> str | None:
    found = client.get(keys.latest(region))
    return found.decode() if isinstance(found, bytes) else None


def set_version(client: redis.Redis, region: str, name: str, version: str | None) -> None:
    """Makes the region's latest snapshot one of another version, or of none."""
    [body] = bodies(client, [latest_id(client, region) or ""])
    stored = json.loads(body)
    if version is None:
        del stored["meta"][name]
    else:
        stored["meta"][name] = version
    put_body(client, region, stored["meta"]["snapshot_id"], json.dumps(stored).encode())


def put_body(client: redis.Redis, region: str, snapshot_id: str, body: bytes) -> None:
    """Puts another body in the place of a snapshot, wherever it is stored, with the expiry."""
    at = client.zscore(keys.index(region), snapshot_id)
    places = [keys.snapshot_by_id(snapshot_id), keys.snapshot_at(region, f"{at:.0f}")]
    if snapshot_id == latest_id(client, region):
        places.append(keys.latest_body(region))
    for key in places:
        client.set(key, body, keepttl=True)


CONFIRMATIONS = {
    *map(keys.confirmed, REGION_IDS),
    keys.summary_seed_meta,
    keys.last_seen,
    keys.last_runs,
}
"""What a run over all regions changes when nothing is new."""


def dump(client: redis.Redis) -> dict[str, Any]:
    """Everything the server holds."""
    return {key.decode(): client.dump(key) for key in client.scan_iter()}


def changed(client: redis.Redis, before: dict[str, Any]) -> set[str]:
    """The keys that are new, gone or different since `dump`."""
    after = dump(client)
    return {key for key in before | after if before.get(key) != after.get(key)}


def unknown_keys(client: redis.Redis) -> set[str]:
    """The keys that nobody who writes snapshots or their inputs should have made."""
    known = {*INPUT_KEYS, *COMPANION_KEYS, keys.alert_queue, keys.summary, keys.summary_seed_meta}
    known |= {
        keys.identity,
        keys.last_seen,
        keys.last_runs,
        keys.commits,
        keys.health,
        *map(keys.last_words, INPUT_KEYS),
    }
    known |= {keys.observations(t.region, t.metric) for t in MODEL.applicable_triggers}
    for region in REGION_IDS:
        known |= {keys.latest(region), keys.index(region), keys.regime_history(region)}
        known |= {keys.confirmed(region), keys.latest_body(region)}
        index: Any = client.zrange(keys.index(region), 0, -1, withscores=True)
        for snapshot_id, at in index:
            known |= {keys.snapshot_by_id(snapshot_id.decode()), keys.snapshot_at(region, int(at))}
    for message in listed(client, keys.alert_queue):
        alert = msgspec.json.decode(message, type=Alert)
        known.add(keys.alert_guard(alert.eventType, alert.guard_hash))
    found = {key.decode("utf-8", "surrogateescape") for key in client.scan_iter(count=1000)}
    return {key for key in found - known if not _is_dedup(client, key)}


def _is_dedup(client: redis.Redis, key: str) -> bool:
    for region in REGION_IDS:
        digest = key.removeprefix(keys.dedup(region, ""))
        if re.fullmatch("[0-9a-f]{64}", digest):
            named = client.get(key)
            # It may have expired just now.
            return not isinstance(named, bytes) or named.decode() in indexed(client, region)
    return False


def listed(client: redis.Redis, key: str) -> list[bytes]:
    """A list that is pushed from the left, oldest first."""
    members: Any = client.lrange(key, 0, -1)
    return list(reversed(members))


def _changes(region: str, before: bytes | None, after: bytes) -> Diff:
    body = msgspec.json.decode(after, type=Body)
    previous = None
    if before is not None:
        previous = read_previous(region, "before", before, MODEL.stored_versions)
    return diff(MODEL.scoring.difference, previous, body)
