"""The threat levels of chokepoints, and what each of them counts (SPEC 2 to 4)."""

from typing import NamedTuple


class Threat(NamedTuple):
    """`severity` in [0, 1] is what triggers compare with (above 0 it is evidence), `passage` in
    [0, 1] what it leaves of maritime access."""

    severity: float
    passage: float


UNKNOWN = "unknown"
THREATS = {
    "war_zone": Threat(1.0, 0.0),
    "critical": Threat(0.8, 0.2),
    "high": Threat(0.6, 0.4),
    "elevated": Threat(0.4, 0.6),
    "normal": Threat(0.0, 1.0),
    UNKNOWN: Threat(0.0, 0.7),
}
