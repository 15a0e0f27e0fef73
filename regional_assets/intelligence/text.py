"""Cleaning of every text that comes from an input before it is stored (SPEC 4, last paragraph)."""

import re
from typing import Any

MAX_TEXT = 500

# Lone surrogates have no place in UTF-8 and so none in strict JSON; a text cut in the middle of
# an emoji by its writer brings one.
_REMOVED = re.compile("[\x00\u200b-\u200d\u2060\ufeff<>\ud800-\udfff]")


def clean(value: Any, limit: int = MAX_TEXT) -> str:
    """`value` as storable text: invisible and markup characters removed, white space folded,
    trimmed, cut at `limit` characters. A whole number becomes its digits; anything else is
    empty."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = format(value, "x") if abs(value) >= 1 << 64 else str(value)
    if not isinstance(value, str):
        return ""
    return " ".join(_REMOVED.sub("", value).split())[:limit]


def strings(value: Any) -> list[str]:
    """Every string value in a JSON value, at any depth, in document order, field names left out."""
    found: list[str] = []
    pending = [value]
    while pending:  # no recursion: the depth is the writer's choice
        item = pending.pop()
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, dict):
            pending.extend(reversed(item.values()))
        elif isinstance(item, list):
            pending.extend(reversed(item))
    return found
