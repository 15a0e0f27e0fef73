"""A look at the inputs whose keys live for minutes, so that their last words are kept though no run
sees them (SPEC 2.4)."""

from regional_assets.intelligence.inputs import read_inputs
from regional_assets.store import memory
from regional_assets.store.last_words import keep_call
from regional_assets.store.snapshot_store import SnapshotStore


def look(store: SnapshotStore, now: int) -> list[str]:
    """Keeps what those inputs say at `now` (ms); the names of those that are there and usable.
    Raises `StoreError`."""
    if not store.remembers:
        return []
    inputs = [spec for spec in store.model.inputs if spec.lives_minutes]
    stored, remembered = memory.look(store, inputs)
    states = list(read_inputs(inputs, stored, now).values())
    if call := keep_call(store.keys, states, stored, remembered.digests, now):
        memory.keep(store, call)
    return [state.spec.name for state in states if state.present]
