"""What a store remembers of its inputs, besides what a run reads with them (SPEC 2.4)."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from msgspec.structs import replace

from regional_assets.intelligence.catalogue import InputSpec
from regional_assets.intelligence.inputs import StoredValue
from regional_assets.redis_link.scripts import Call, run
from regional_assets.store.last_words import Remembered, last_words, recall_call, remembered
from regional_assets.store.snapshot_store import SnapshotStore


def recall(store: SnapshotStore, keys: Iterable[str], known: Remembered) -> Remembered:
    """What is `known`, with the last words of the inputs of these catalogue's keys. One whose words
    are lost counts as never seen: nothing can be decided with it. Raises `StoreError` when the
    server is unavailable."""
    wanted = list(keys)
    read = partial(_values, store, list(map(store.keys.last_words, wanted)))
    found = dict(zip(wanted, store.attempt(read, patient=False), strict=True))
    words = {**known.memory.words, **last_words(found, known.memory.seen)}
    lost = {key for key in wanted if key not in words}
    seen = {key: at for key, at in known.memory.seen.items() if key not in lost}
    return replace(known, memory=replace(known.memory, seen=seen, words=words))


def look(
    store: SnapshotStore, inputs: Sequence[InputSpec]
) -> tuple[Mapping[str, StoredValue], Remembered]:
    """The values of those inputs and of their companions, and what is remembered, in one round
    trip, in a cluster two. Raises `StoreError` when the server is unavailable."""
    keys = [key for spec in inputs for key in (spec.key, spec.companion) if key]
    names = {key: store.keys.input(key) for key in keys}
    plain = list(names.values())
    apart = store.server.apart(plain)
    command = partial(run, store.client, [recall_call(store.keys, ())], [] if apart else [plain])
    *values, reply = store.attempt(command, patient=False)
    if apart:
        return store.read_apart(names), remembered(reply, ())
    if isinstance(values[0], Exception):
        raise store.unavailable(values[0])
    found = zip(names.items(), values[0], strict=True)
    return {k: StoredValue(value, None, n) for (k, n), value in found}, remembered(reply, ())


def keep(store: SnapshotStore, call: Call) -> None:
    """Keeps last words. Raises `StoreError`."""
    [reply] = store.attempt(partial(run, store.client, [call]))
    if isinstance(reply, Exception):
        raise store.unavailable(reply)


def _values(store: SnapshotStore, names: Sequence[str]) -> list[bytes | None]:
    # MGET takes a key of another type for an absent one, and so does a run.
    with store.client.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.get(name)
        replies = pipeline.execute(raise_on_error=False)
    return [None if isinstance(reply, Exception) else reply for reply in replies]
