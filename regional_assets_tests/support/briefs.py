"""Weekly briefs as they are stored."""

from regional_assets.intelligence.brief import Brief
from regional_assets.store.wire import encode

BRIEF = Brief("A calm week.", "Steady.", ("Little.",), "Low.")


def stored_brief(region: str, at: int) -> bytes:
    """The brief of a region that was written `at` (ms)."""
    return encode(BRIEF.of(region, at, "good", "good-model"))
