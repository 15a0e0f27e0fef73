"""A past series of transits through the real job, as if it happened now."""
