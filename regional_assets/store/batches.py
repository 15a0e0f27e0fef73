"""Long series in parts: a command or a round trip over all of them would block the server's other
clients for too long."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of `size`, read lazily (in the standard library from Python 3.12)."""
    waiting = iter(items)
    while batch := list(islice(waiting, size)):
        yield batch
