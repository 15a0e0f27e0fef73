"""The specification's number rules: `clip`, `round3`, `num` (SPEC, preamble)."""

import math
import re
from collections.abc import Iterable
from math import isfinite
from typing import Any, TypeGuard

_BEYOND = 1 << 1023
_DECIMAL = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def clip(x: float, lo: float = 0.0, hi: float = 1.0) -> float:
    """`x` held within [lo, hi]; NaN and infinities give `lo`."""
    if lo <= x <= hi:
        return x
    return min(max(x, lo), hi) if isfinite(x) else lo


def clipped(values: Iterable[float]) -> list[float]:
    """`clip` of each value; it is called only for those out of range, which are few."""
    return [value if 0.0 <= value <= 1.0 else clip(value) for value in values]


def round3(x: float) -> float:
    """`x` to three decimals, halves up towards +∞."""
    return math.floor(1000 * x + 0.5) / 1000


def total(values: Iterable[float]) -> float:
    """The sum from left to right in plain doubles, the same under every version of Python: from
    3.12 on `sum` compensates rounding, which moves third decimals that lie on a half."""
    result = 0.0
    for value in values:
        result += value
    return result


def is_number(x: Any) -> TypeGuard[int | float]:
    """Whether `x` is a finite JSON number (booleans are not)."""
    if type(x) is float:
        return isfinite(x)
    # An integer beyond a double's range is not a number a reader of JSON could use; nor is a
    # boolean, which has a type of its own.
    return type(x) is int and abs(x) < _BEYOND


def parse_number(x: Any) -> float | None:
    """`x` as a finite float; a string counts only if the whole of it is a decimal number."""
    if type(x) is float:
        return x if isfinite(x) else None
    if type(x) is int and is_number(x):
        return float(x)
    if isinstance(x, str) and _DECIMAL.fullmatch(x):
        value = float(x)
        return value if isfinite(value) else None
    return None


def num(x: Any, default: float = 0.0) -> float:
    """`x` as a finite float (see `parse_number`), else `default`."""
    value = parse_number(x)
    return default if value is None else value
