"""The last words of inputs in Redis: the last value of each that was usable, with its companion,
compressed, for 30 days after the input was last seen (SPEC 2.4)."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import zstandard

from regional_assets.intelligence.catalogue import InputSpec
from regional_assets.intelligence.inputs import InputState, StoredValue
from regional_assets.intelligence.last_words import LastWords, Memory
from regional_assets.redis_link.refusals import refusal
from regional_assets.redis_link.scripts import Call, Script
from regional_assets.redis_link.text import as_text
from regional_assets.store.keys import DAY, Keys

EXPIRY = 30 * DAY
# Compressed. Of longer ones nothing is kept.
MOST_BYTES = 4_000_000

_KEEP = Script.load(__package__, "last_words.lua")
_RECALL = Script.load(__package__, "recall.lua", read_only=True)

_PAIR = msgspec.msgpack.Decoder(tuple[bytes, bytes | None])


class Remembered(msgspec.Struct, frozen=True):
    """What a store remembers of its inputs, whenever that was; by the catalogue's key, the digests
    of the last words. `problem` says why it cannot be read."""

    memory: Memory = Memory()
    digests: Mapping[str, str] = msgspec.field(default_factory=dict)
    problem: str = ""

    def at(self, now: int) -> Memory:
        """The memory at `now` (ms): of what was seen in the 30 days before."""
        seen = {k: at for k, at in self.memory.seen.items() if now - at < EXPIRY * 1000}
        return Memory(seen, {k: w for k, w in self.memory.words.items() if k in seen})


def recall_call(keys: Keys, inputs: Sequence[InputSpec]) -> Call:
    """The call that reads the memory, with the last words of those `inputs` that are absent."""
    pairs = (key for i in inputs for key in (keys.input(i.key), keys.last_words(i.key)))
    return Call(_RECALL, [keys.last_seen, *pairs], [])


def remembered(reply: Any, inputs: Sequence[InputSpec]) -> Remembered:
    """What that call replied."""
    if isinstance(reply, Exception):
        return Remembered(problem=refusal(reply))
    fields, *words = reply
    seen: dict[str, int] = {}
    digests: dict[str, str] = {}
    for name, value in zip(fields[::2], fields[1::2], strict=True):
        at, _, digest = as_text(value).partition(":")
        if at.isdigit():
            seen[as_text(name)], digests[as_text(name)] = int(at), digest
    found = dict(zip((i.key for i in inputs), words, strict=True))
    return Remembered(Memory(seen, last_words(found, seen)), digests)


def last_words(stored: Mapping[str, bytes | None], seen: Mapping[str, int]) -> dict[str, LastWords]:
    """The last words, by the catalogue's key, as they are stored; without those that cannot be
    read."""
    found = {}
    for key, words in stored.items():
        if words and key in seen:
            try:
                value, companion = _PAIR.decode(zstandard.decompress(words))
            except (zstandard.ZstdError, msgspec.DecodeError):
                continue
            found[key] = LastWords(value, companion, seen[key])
    return found


def keep_call(
    keys: Keys,
    states: Sequence[InputState],
    stored: Mapping[str, StoredValue],
    digests: Mapping[str, str],
    now: int,
) -> Call | None:
    """The call that keeps the values of those inputs that are usable `now` (ms); None for none.
    Values that are those of the stored `digests` are not sent again."""
    names: list[str] = []
    args: list[str | int | bytes] = []
    for state in states:
        key = state.spec.key
        value = stored.get(key, StoredValue()).data
        if not state.present or value is None:
            continue
        pair = value, stored.get(state.spec.companion, StoredValue()).data
        packed = msgspec.msgpack.encode(pair)
        digest = hashlib.sha256(packed).hexdigest()[:16]
        words = b"" if digests.get(key) == digest else zstandard.compress(packed, 3)
        names.append(keys.last_words(key))
        # Older words would be none of this value's.
        args += [key, digest, words] if len(words) <= MOST_BYTES else [key, "", ""]
    return Call(_KEEP, [keys.last_seen, *names], [now, EXPIRY, *args]) if names else None
