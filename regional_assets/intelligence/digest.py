"""The identity of what a snapshot says about its inputs (SPEC 6, Dedup)."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def content_digest(content: Mapping[str, Any]) -> str:
    """SHA-256, in hexadecimal, of a JSON value; `content` holds no ids, clock times or
    comparisons with another snapshot."""
    encoded = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(encoded.encode()).hexdigest()
