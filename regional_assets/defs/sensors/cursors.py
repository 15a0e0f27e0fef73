"""Cursors of the sensors, which anyone can change in the UI."""

# Raised for a cursor that was damaged; nothing is known from it then.
UNREADABLE_CURSOR = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    OverflowError,
    RecursionError,
)

# A pause doubles with each try; more doublings are beyond any float.
MOST_TRIES = 1000
