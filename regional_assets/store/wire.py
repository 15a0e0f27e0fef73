"""The encodings of what is stored: JSON, a trigger's observations."""

import json
import math
from collections.abc import Iterable
from typing import Any

import msgspec

from regional_assets.intelligence.baselines import Observation


def encode(value: Any) -> bytes:
    """A JSON value as it is stored: UTF-8 without spaces. Raises TypeError or ValueError (a lone
    surrogate) for what has no JSON. The domain hands over finite numbers only."""
    return msgspec.json.encode(value)


def decode(body: bytes) -> Any:
    """The value of stored JSON; raises ValueError where a strict parser does, and for a number
    that no double holds."""
    return json.loads(body.decode(), parse_float=_finite, parse_constant=_finite)


def _finite(number: str | bytes) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"it holds {number!s}")
    return value


def confirmation(stored: bytes | None) -> int | None:
    """The time (ms) in a region's confirmation. What is no time counts for nothing; the next commit
    replaces it."""
    return int(stored) if stored and stored.isdigit() and len(stored) < 20 else None


def member(at: int, value: float) -> str:
    """An observation at a time (ms) as the member `time:value` of its sorted set (SPEC 7)."""
    return f"{at}:{value!r}"


def observations(members: Iterable[bytes]) -> list[Observation]:
    """The observations in the members of a sorted set; raises ValueError when one is something
    else, also when it is no finite number."""
    pairs = (member.split(b":") for member in members)
    return [(int(at), _finite(value)) for at, value in pairs]
