"""Puts back what the indexed snapshots of a region prove (SPEC 6.3)."""

import re
from contextlib import suppress
from typing import Any

from redis.client import Pipeline

from regional_assets.intelligence.stored import Body, BodyError, Transition, read_body
from regional_assets.store.keys import REGIME_HISTORY_LENGTH
from regional_assets.store.past import read_histories
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets.store.wire import encode


def restore_history(store: SnapshotStore, region: str) -> None:
    """Adds the regime changes of indexed snapshots that the region's history lacks, the newest 100
    in all. Raises `StoreError`."""
    [(_, stored)] = read_histories(store, [region])
    proved: dict[str, bytes] = {}
    for snapshot_id, _, body in stored.snapshots:
        with suppress(BodyError):
            if change := _change(read_body(region, snapshot_id, body or b"")):
                proved[snapshot_id] = encode(change)
    history = store.keys.regime_history(region)

    def restore(pipeline: Pipeline) -> None:
        listed: list[Any] = pipeline.lrange(history, 0, -1)
        found = [entry for entry in proved.values() if entry not in listed]
        pipeline.multi()
        if found:
            entries = sorted([*found, *listed], key=_at)
            pipeline.ltrim(history, 1, 0)
            pipeline.lpush(history, *entries[-REGIME_HISTORY_LENGTH:])

    if proved:
        store.transaction(restore, [history])


def _change(body: Body) -> Transition | None:
    """The regime change that the snapshot says it was."""
    regime, meta = body.regime, body.meta
    if not regime.transition_driver or meta.trigger_reason == "rescored":
        return None
    return Transition(
        body.region_id,
        regime.label,
        regime.previous_label,
        regime.transitioned_at,
        regime.transition_driver,
        meta.snapshot_id,
    )


def _at(entry: bytes) -> float:
    found = re.search(rb'"transitioned_at": ?(\d+)', entry)
    return float(found[1]) if found else 0.0
