"""How much a snapshot can be trusted, and for how long (SPEC 2, last paragraph)."""

from collections.abc import Iterable

import msgspec

from regional_assets.intelligence.inputs import InputState
from regional_assets.intelligence.numbers import round3
from regional_assets.intelligence.scoring import Confidence as Rules
from regional_assets.intelligence.timing import HOUR_MS, MINUTE_MS


class Confidence(msgspec.Struct, frozen=True):
    """`score` in [0, 1]; Redis keys of the missing and stale inputs in catalogue order;
    `valid_until` in ms since the epoch."""

    score: float
    missing_inputs: tuple[str, ...]
    stale_inputs: tuple[str, ...]
    valid_until: int


def confidence(inputs: Iterable[InputState], now: int, rules: Rules) -> Confidence:
    """The confidence that all snapshots of one run share; `inputs` are all inputs, missing ones
    included."""
    states = list(inputs)
    missing = tuple(s.spec.key for s in states if not s.present)
    stale = tuple(s.spec.key for s in states if s.freshness == "stale")
    fresh = [s for s in states if s.freshness == "fresh"]
    present = len(states) - len(missing)
    score = rules.present * present / len(states)
    score += rules.fresh * len(fresh) / present if present else 0.0
    expiries = [
        s.timestamp + s.spec.max_age_minutes * MINUTE_MS for s in fresh if s.timestamp is not None
    ]
    until = now + int(rules.valid_hours * HOUR_MS)
    valid_until = max(now, min([until, *expiries])) if expiries else now
    return Confidence(round3(score), missing, stale, valid_until)
