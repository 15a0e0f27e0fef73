"""What a check of a server comes to."""

from functools import partial
from typing import Literal, NamedTuple

Verdict = Literal["ok", "warning", "problem", "skipped"]


class Result(NamedTuple):
    """What a check found, and what to do about it."""

    verdict: Verdict
    found: str
    advice: str = ""


ok = partial(Result, "ok")
warning = partial(Result, "warning")
problem = partial(Result, "problem")
