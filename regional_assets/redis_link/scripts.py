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
    def load(cls, package: str, name: str, *, read_only: bool = False) -> "Script":
        """The script in the file of this name in a package."""
        source = (resources.files(package) / name).read_text(encoding="utf-8")
        sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
        script = cls(source, sha, read_only)
        cls.known.append(script)
        return script


class Call(msgspec.Struct, frozen=True):
    script: Script
    keys: Sequence[str]
    args: Sequence[str | int | bytes]


class Wait(msgspec.Struct, frozen=True):
    """How many replicas have to have what a script wrote, and how long they are waited for (s)."""

    replicas: int
    seconds: float


def run(
    client: redis.Redis,
    calls: Sequence[Call],
    values: Sequence[Sequence[str]] = (),
    wait: Wait | None = None,
    load: Sequence[Script] | None = None,
) -> list[Any]:
    """The values of each group of keys, then the replies (or error replies) to all calls, then how
    many replicas have what was written, where that is waited for; in one round trip, and a second
    one where a server lacks a script, to `load` them all. The scripts have to be idempotent.

    In a pipeline, redis-py's own `Script` first asks the server whether it has the script: one
    more round trip. A script does not read the values itself: copying many MB would keep other
    clients waiting. A transaction does not serve either: a server short of memory refuses it, even
    for reads. WAIT looks at what its own connection wrote, so it follows in the pipeline.
    """
    with client.pipeline(transaction=False) as pipeline:
        for script in load or ():
            pipeline.script_load(script.source)
        for names in values:
            pipeline.mget(names)
        for call in calls:
            evalsha = pipeline.evalsha_ro if call.script.read_only else pipeline.evalsha
            evalsha(call.script.sha, len(call.keys), *call.keys, *call.args)
        if wait:
            pipeline.wait(wait.replicas, int(wait.seconds * 1000))
        replies = pipeline.execute(raise_on_error=False)
    if load is None:
        # A server without one of these scripts has none of them, so that others need not find out.
        lacking = any(isinstance(reply, NoScriptError) for reply in replies)
        return run(client, calls, values, wait, Script.known) if lacking else replies
    loaded, found = dict(zip(load, replies, strict=False)), replies[len(load) :]
    for at, call in enumerate(calls, len(values)):
        # Why a script could not be loaded says more than that it is not there.
        if isinstance(why := loaded.get(call.script), Exception):
            found[at] = why
    return found
