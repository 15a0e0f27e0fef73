"""Server-side scripts: one .lua file each, called by hash, and sent whole only to a server that
does not have them (new, restarted or flushed)."""

import hashlib
from collections.abc import Sequence
from importlib import resources
from typing import Any, ClassVar

import msgspec
import redis
from redis.exceptions import NoScriptError


class Script(msgspec.Struct, frozen=True):
    """A script's source and its hash in Redis. A `read_only` script is called as such, so that a
    user with read rights alone on its keys may run it."""

    source: str
    sha: str
    read_only: bool
    known: ClassVar[list["Script"]] = []

    @classmethod
    def load(cls, name: str, *, read_only: bool = False) -> "Script":
        """The script in the file of this name beside this module."""
        source = (resources.files(__package__) / name).read_text(encoding="utf-8")
        sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
        script = cls(source, sha, read_only)
        cls.known.append(script)
        return script


class Call(msgspec.Struct, frozen=True):
    """One call of a script."""

    script: Script
    keys: Sequence[str]
    args: Sequence[str | int | bytes]


class Wait(msgspec.Struct, frozen=True):
    """How many replicas have to have what a script wrote, and how long they are waited for (s)."""

    replicas: int
    seconds: float


def run_and_wait(client: redis.Redis, calls: Sequence[Call], wait: Wait) -> tuple[list[Any], Any]:
    """As `run`, and how many replicas have what was written (or the error reply). WAIT looks at
    what its own connection wrote, so it follows the calls in their pipeline."""
    *replies, reached = _send(client, calls, wait=wait)
    if not any(isinstance(reply, NoScriptError) for reply in replies):
        return replies, reached
    *replies, reached = _send(client, calls, load=True, wait=wait)
    return replies, reached


def run(
    client: redis.Redis, calls: Sequence[Call], values: Sequence[Sequence[str]] = ()
) -> list[Any]:
    """The values of each group of keys, then the replies (or error replies) to all calls, in one
    round trip; a second one only for calls that reached a server without their script.

    In a pipeline, redis-py's own `Script` first asks the server whether it has the script: one
    more round trip for every batch. A script does not read the values itself: they can be many MB,
    and copying them would keep other clients waiting. A transaction does not serve either: a server
    short of memory refuses it, even for reads.
    """
    replies = _send(client, calls, values=values)
    unknown = [
        i for i, reply in enumerate(replies[len(values) :]) if isinstance(reply, NoScriptError)
    ]
    if unknown:
        again = _send(client, [calls[i] for i in unknown], load=True)
        for i, reply in zip(unknown, again, strict=True):
            replies[len(values) + i] = reply
    return replies


def _send(
    client: redis.Redis,
    calls: Sequence[Call],
    *,
    values: Sequence[Sequence[str]] = (),
    load: bool = False,
    wait: Wait | None = None,
) -> list[Any]:
    # A server without one of these scripts has none of them, so that the others need not find out.
    scripts = Script.known if load else []
    with client.pipeline(transaction=False) as pipeline:
        for names in values:
            pipeline.mget(names)
        for script in scripts:
            pipeline.script_load(script.source)
        for call in calls:
            evalsha = pipeline.evalsha_ro if call.script.read_only else pipeline.evalsha
            evalsha(call.script.sha, len(call.keys), *call.keys, *call.args)
        if wait:
            pipeline.wait(wait.replicas, int(wait.seconds * 1000))
        replies = pipeline.execute(raise_on_error=False)
    if not load:
        return replies
    loaded, replies = dict(zip(scripts, replies, strict=False)), replies[len(scripts) :]
    for i, call in enumerate(calls):
        # That says why there is no such script.
        if isinstance(loaded[call.script], Exception):
            replies[i] = loaded[call.script]
    return replies
