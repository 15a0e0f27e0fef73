"""What all routes share on which the address of the server can change: by Sentinels, and in a
cluster."""

import redis
from redis.exceptions import ResponseError

# By the first word of a server's error: it did not carry out the command, or no longer stands by
# it, and another server will.
_SIGNS = (
    *("ASK", "CLUSTERDOWN", "MASTERDOWN", "MOVED", "NOREPLICAS", "READONLY", "TRYAGAIN"),
    "UNBLOCKED",
)


class Moved(redis.ConnectionError):
    """The server did not carry out the command, because another one is to do so now or soon. The
    words are the server's. The connection is closed; the next one looks the address up anew."""


class NoRoute(redis.ConnectionError):
    """Nobody gives the server's address. The words are whole."""


def sign_of_move(error: ResponseError) -> Moved | None:
    """The error to raise in its place on a route that can change; None for any other error."""
    words = str(error)
    # redis-py takes the first word off where it knows it.
    code = error.status_code or words.partition(" ")[0]
    if code not in _SIGNS:
        return None
    return Moved(f"{code} {words}" if error.status_code else words)
