"""Cleaning of every text that comes from an input before it is stored (SPEC 4, last paragraph), and
how a stored text is shown."""

import re
import unicodedata
from typing import Any

MAX_TEXT = 500
_MAX_QUOTED = 300

# Lone surrogates have no place in UTF-8 and so none in strict JSON; a text cut in the middle of
# an emoji by its writer brings one.
_REMOVED = re.compile("[\x00\u200b-\u200d\u2060\ufeff<>\ud800-\udfff]")


def clean(value: Any, limit: int = MAX_TEXT) -> str:
    """`value` as storable text: invisible and markup characters removed, white space folded,
    trimmed, cut at `limit` characters. A whole number becomes its digits; anything else is
    empty."""
    if not isinstance(value, str):
        if not isinstance(value, int) or isinstance(value, bool):
            return ""
        value = format(value, "x") if abs(value) >= 1 << 64 else str(value)
    text: str = value
    # Few need it: what is printable holds no white space but spaces.
    if not text.isprintable() or "<" in text or ">" in text or "  " in text:
        text = " ".join(_REMOVED.sub("", text).split())
    return text.strip()[:limit]


def text_of(value: Any) -> str:
    """`value` if it is a text, else ""."""
    return value if isinstance(value, str) else ""


def words(identifier: str) -> str:
    """An identifier as it reads in a text: `war_zone` as "war zone"."""
    return identifier.replace("_", " ")


def visible(text: str) -> str:
    """`text` with its control, format (bidirectional, zero-width), unassigned and private
    characters and its line breaks as escapes (`\\x1b`, `\\u202e`). What is stored may be anybody's,
    and such characters would steer a terminal or make a text look like another one."""
    if text.isprintable():
        return text
    return "".join(
        c
        if c.isprintable() or unicodedata.category(c) == "Zs"
        else c.encode("unicode_escape").decode()
        for c in text
    )


def quoted(error: Exception) -> str:
    """The words of a parser's error, `visible`. They may quote a text of any length, which is cut
    in its middle: the path of the field comes last."""
    words = visible(str(error))
    return words if len(words) <= _MAX_QUOTED else f"{words[:100]}…{words[-100:]}"


def strings(value: Any) -> list[str]:
    """Every string value in a JSON value, at any depth, in document order, field names left out."""
    found: list[str] = []
    pending = [iter((value,))]
    while pending:  # no recursion: the depth is the writer's choice
        for item in pending[-1]:
            kind = type(item)
            if kind is str:
                found.append(item)
            elif kind is dict and item:
                pending.append(iter(item.values()))
                break
            elif kind is list and item:
                pending.append(iter(item))
                break
        else:
            pending.pop()
    return found
