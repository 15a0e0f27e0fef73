"""What the sensors share: cursors, which anyone can change in the UI, keys of runs, and reasons,
which schedules give, too."""

import hashlib
import json
from collections.abc import Iterable
from itertools import islice
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

# A pause doubles with each try; more doublings are beyond any float.
MOST_TRIES = 1000

# A reason names so many regions; the UI shows it on one line.
_NAMED = 50


def read_cursor(cursor: str | None, kind: type[T]) -> T | None:
    """What the cursor holds; None when there is none or it was damaged."""
    try:
        return msgspec.json.decode(cursor or "", type=kind)
    except (ValueError, RecursionError):
        return None


def run_key(regions: Iterable[tuple[Any, ...]]) -> str:
    """A key of the run over these regions, each with what distinguishes the request. It is a
    digest, because the cursor keeps the key once per region."""
    return hashlib.sha256(json.dumps(list(regions)).encode()).hexdigest()


def named(words: Iterable[str], separator: str) -> str:
    """The first 50 of `words` in a row, and how many more there are."""
    waiting = iter(words)
    first = list(islice(waiting, _NAMED))
    more = sum(1 for _ in waiting)
    return separator.join([*first, f"and {more} more"] if more else first)
