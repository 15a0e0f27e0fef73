"""What the board is made of: everything that was read of a region."""

from collections.abc import Mapping, Sequence

import msgspec

from regional_assets.intelligence.baselines import Observation
from regional_assets.intelligence.diff import Diff
from regional_assets.intelligence.stored import Body, Outline, Transition


class Record(msgspec.Struct, frozen=True):
    """A region: its latest snapshot and when it was last confirmed (ms, 0 when not known), or the
    `problem` why it cannot be shown (both empty: the region has none yet).

    `changes` compares the snapshot with the one before (None: it cannot be compared, `problems`
    gives the reason). `days` has the last snapshot of each day, oldest first, without the
    `lost_days` that cannot be read; `transitions` the regime changes, newest first; `observed` the
    last observation by metric, and `baselines` the trailing mean by trigger id. `problems` is what
    else could not be read.
    """

    snapshot: Body | None = None
    problem: str = ""
    confirmed: int = 0
    changes: Diff | None = None
    days: Sequence[Outline | Body] = ()
    lost_days: int = 0
    transitions: Sequence[Transition] = ()
    observed: Mapping[str, Observation] = msgspec.field(default_factory=dict)
    baselines: Mapping[str, float | None] = msgspec.field(default_factory=dict)
    problems: Sequence[str] = ()
