"""What is remembered of inputs, and how one that is gone speaks with its last words (SPEC 2.4).

A default is never compared with a value. So two worlds are made of one read: in the published one
each missing input that is still held has its last words, and its numbers are stored; in the
decided one each has them that left any, and all comparisons are made there.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from regional_assets.intelligence.inputs import Decoder, InputState, StoredValue, payload_of
from regional_assets.intelligence.timing import HOUR_MS


class LastWords(msgspec.Struct, frozen=True):
    """The last value of an input that was there, readable and not declared broken, and what its
    companion held then; `seen` is when that was last the case (ms)."""

    value: bytes
    companion: bytes | None
    seen: int


class Memory(msgspec.Struct, frozen=True):
    """What a store remembers of its inputs, by the catalogue's key: when each was last seen usable
    (ms) in the last 30 days, and the last words of those that were looked up."""

    seen: Mapping[str, int] = msgspec.field(default_factory=dict)
    words: Mapping[str, LastWords] = msgspec.field(default_factory=dict)


def recalled(
    state: InputState, memory: Memory, now: int, decode: Decoder | None, *, beyond_hold: bool
) -> tuple[InputState, dict[str, Any] | None]:
    """The state and payload of an input that is missing, with its last words in its place: while it
    is held at `now` (ms), or whenever it left some."""
    spec = state.spec
    words = memory.words.get(spec.key)
    if words and (beyond_hold or now - words.seen < spec.hold_hours * HOUR_MS):
        payload = payload_of(StoredValue(words.value), decode)
        if payload is not None:
            return replace(state, freshness="held", seen=words.seen), payload
    return replace(state, seen=memory.seen.get(spec.key)), None
