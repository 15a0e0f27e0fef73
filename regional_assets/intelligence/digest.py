"""The identity of what a snapshot says about its inputs (SPEC 6, Dedup)."""

import hashlib

from msgspec.json import encode


def content_digest(content: object) -> str:
    """SHA-256, in hexadecimal, of a JSON value; `content` holds no ids, clock times or
    comparisons with another snapshot."""
    return hashlib.sha256(encode(content)).hexdigest()
