"""Texts as they are stored and as they come back."""

import json
from collections.abc import Mapping
from typing import Any


def as_json(value: Mapping[str, Any]) -> str:
    """Strict JSON, as short as can be."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def as_text(value: bytes) -> str:
    """`value` as text; bytes that are none become question marks."""
    return value.decode("utf-8", "replace")
