"""What became of each region at its last attempt: a hash of the store with a field per region
(SPEC 6.8)."""

from collections.abc import Mapping
from functools import partial
from typing import Literal

import msgspec

from regional_assets.redis_link.refusals import refusal
from regional_assets.redis_link.scripts import Call, Script, run
from regional_assets.store.batches import batched
from regional_assets.store.keys import Keys
from regional_assets.store.snapshot_store import SnapshotStore

LONGEST_REASON = 300
# Failed regions per script, which keeps other clients waiting.
_AT_ONCE = 500

_RECORD = Script.load(__package__, "last_runs.lua")


class LastRun(msgspec.Struct, frozen=True):
    """A region's last attempt: when (ms), in which Dagster run ("" for none), and what came of it.
    `succeeded_at` (ms) is when it was last written or found unchanged; `failing_since` (ms) the
    first failure after that."""

    at: int
    outcome: Literal["written", "duplicate", "failed"]
    run_id: str = ""
    reason: str = ""
    succeeded_at: int | None = None
    failing_since: int | None = None


_decode = msgspec.json.Decoder(LastRun).decode


def committed_call(keys: Keys, at: int, run_id: str, ids: Mapping[str, str]) -> Call:
    """The call that follows a message of commits and records those that this store then shows, by
    region id → id of the snapshot that was to be written `at` (ms)."""
    names = (k for r, i in ids.items() for k in (keys.snapshot_by_id(i), keys.confirmed(r)))
    args = (word for region in ids for word in (region, ""))
    return Call(_RECORD, [keys.last_runs, keys.commits, *names], [at, run_id, *args])


def record_failures(store: SnapshotStore, at: int, run_id: str, reasons: Mapping[str, str]) -> str:
    """Records that regions failed at that time (ms), by region id → reason. Returns why that could
    not be, if so; raises `StoreError` when the server is unavailable."""
    keys = store.keys
    for batch in batched(reasons.items(), _AT_ONCE):
        names = [key for region, _ in batch for key in (keys.confirmed(region),) * 2]
        words = [w for r, why in batch for w in (r, why[:LONGEST_REASON] or "unknown")]
        call = Call(_RECORD, [keys.last_runs, keys.commits, *names], [at, run_id, *words])
        [reply] = store.attempt(partial(run, store.client, [call]))
        if isinstance(reply, Exception):
            return refusal(reply)
    return ""


def last_runs(stored: Mapping[bytes, bytes] | Exception) -> dict[str, LastRun]:
    """The last runs by region id, from the hash as the server gives it; without fields that hold
    something else, and none where the server refuses them."""
    found: dict[str, LastRun] = {}
    for region, value in {} if isinstance(stored, Exception) else stored.items():
        try:
            found[region.decode()] = _decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return found
