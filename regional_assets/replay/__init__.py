"""Runs the real jobs over a past series of transits, as if it were happening now."""
