"""Which store this is. A store keeps a random id, and Dagster's instance the store of its runs, so
that a run that meets another store fails instead of beginning a second history there."""

import re
import socket
import uuid
from typing import Any, Protocol

import msgspec
import redis
from msgspec.structs import replace

from regional_assets.errors import StoreError
from regional_assets.redis_link.server import server_of
from regional_assets.redis_link.text import as_text
from regional_assets.store.keys import Keys
from regional_assets.store.wire import confirmation

# Of what lies under the key, which may be anything.
_LONGEST_IDENTITY = 100
_THIS_MACHINE = re.compile(r"^(127\.0\.0\.1|\[::1\]|::1)(?=[:/ ]|$)")


class MetStore(msgspec.Struct, frozen=True):
    """A store by its address, without user or password, and its id ("" when it has none)."""

    address: str
    identity: str

    def __str__(self) -> str:
        return f"{self.address} ({self.identity or 'without an identity'})"


class KnownStore(Protocol):
    """Where the store of all runs is on record."""

    # Whether a store without an id gets one, and the first store comes on record.
    writable: bool

    def known(self) -> MetStore | None:
        """The store on record."""

    def keep(self, store: MetStore) -> None:
        """Puts the store on record."""

    def commits(self) -> int:
        """The count of commits on record."""

    def met(
        self, store: MetStore, commits: int, *, emptied: bool, before: str, went_back: bool
    ) -> None:
        """Takes notice of the store that was met, with its count of commits. `emptied`: it had lost
        its id; `before`: where it was until now, if that was elsewhere; `went_back`: it is older
        than it was."""


def present_store(client: redis.Redis, keys: Keys) -> MetStore:
    """The store that `client` reaches, as it is; one round trip."""
    # A key of another type counts as absent.
    identity: Any
    [identity] = client.mget(keys.identity)
    return _present(client, keys, identity)


def _present(client: redis.Redis, keys: Keys, identity: bytes | None) -> MetStore:
    # What follows in brackets, the server in use, is another one after a failover.
    server = server_of(client)
    place = str(server).partition(" (")[0]
    # A socket or loopback address names another store on each machine.
    if server.is_on_this_machine:
        place += f" on {socket.gethostname()}"
    if keys.prefix:
        place += f" with the prefix {keys.prefix}"
    return MetStore(place, as_text((identity or b"")[:_LONGEST_IDENTITY]))


def _same_place(one: str, other: str) -> bool:
    """Whether two addresses are one, by whichever name of this machine."""
    return _THIS_MACHINE.sub("localhost", one) == _THIS_MACHINE.sub("localhost", other)


def meet(
    client: redis.Redis,
    keys: Keys,
    identity: bytes | None,
    commits: Any,
    record: KnownStore,
) -> bool:
    """Compares the present store, whose `identity` was read, with the one on record. `commits` is
    the server's reply about their count. Returns whether the store went back in time. Raises
    `StoreError` when it is another.

    One that has no id at the address on record was emptied there: it gets the same id again, so
    that two runs that find it at once agree. One that has its id at another address was moved
    there, or is a copy, and is on record there from now on.
    """
    present, known = _present(client, keys, identity), record.known()
    here = known is not None and _same_place(present.address, known.address)
    emptied = here and not identity
    if not record.writable and (known is None or emptied):
        return False
    if not identity and (known is None or emptied):
        present = identified(client, keys, present, known.identity if known else "")
    if known is None:
        record.keep(present)
    elif present.identity != known.identity:
        raise StoreError(
            f"Redis at {present} is not the store of the runs before, {known}: correct REDIS_URL "
            "or REGIONAL_KEY_PREFIX; if this store is to take its place, run `regional-assets "
            "adopt`"
        )
    elif not here and record.writable:
        record.keep(present)
    before = "" if here or known is None else known.address
    # A user without rights on it does not know.
    counted = not isinstance(commits, Exception)
    count = (confirmation(commits[0]) or 0) if counted else 0
    went_back = counted and not emptied and count < record.commits()
    record.met(present, count, emptied=emptied, before=before, went_back=went_back)
    return went_back


def identified(client: redis.Redis, keys: Keys, store: MetStore, identity: str = "") -> MetStore:
    """The store after it was given this id, or a random one, unless it has one meanwhile. Raises
    `StoreError` when something else has the key."""
    identity = store.identity or identity or str(uuid.uuid4())
    try:
        # One step, so that all who do this at once find the same.
        before = client.set(keys.identity, identity, nx=True, get=True)
    except redis.ResponseError as error:
        if str(error).startswith("WRONGTYPE"):
            raise StoreError(f"{keys.identity} holds no identity of a store: delete it") from None
        raise
    return replace(store, identity=as_text(before) if isinstance(before, bytes) else identity)
