"""Texts that are meant to harm, and inputs full of them."""

from typing import Any

HOSTILE = [
    "__proto__",
    "constructor.prototype",
    "mena:latest",
    "intelligence:snapshot:v1:mena:latest",
    "wm:events:queue",
    "*",
    "?[a-z]{1}",
    "\n*1\r\n$8\r\nFLUSHALL\r\n",
    '"]] redis.call("FLUSHALL") --',
    "' .. redis.call('FLUSHALL') .. '",
    "%s %n {0} ${x} {{x}} $(x) `x`",
    "<script>alert(1)</script>",
    '","evidence":[],"x":"',
    "\x00\x1b[31m\u202e\ufeff",
    "\ud800",
    "💥" * 300,
    "NaN",
    "1e999",
    "",
]


def spoilt(value: Any, text: str, *, places: bool) -> Any:
    """`value` with that text in every text; in names, too; with `places`, also where the texts
    say of which region or kind a record is."""
    if isinstance(value, str):
        return text if places else value + text
    if isinstance(value, list):
        return [spoilt(item, text, places=places) for item in value]
    if isinstance(value, dict):
        named = value if places else {n: v for n, v in value.items() if n in STRUCTURE}
        rest = {n: spoilt(v, text, places=places) for n, v in value.items() if n not in STRUCTURE}
        return {**rest, **named, text: value}
    return value


STRUCTURE = frozenset(
    ("region", "theater", "country", "severity", "trend", "domain", "iso3", "level", "icao")
)
