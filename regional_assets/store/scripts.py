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
    """The arguments of one call of a script."""

    keys: Sequence[str]
    args: Sequence[str | int | bytes]


class Wait(msgspec.Struct, frozen=True):
    """How many replicas have to have what a script wrote, and how long they are waited for (s)."""

    replicas: int
    seconds: float


def run_and_wait(
    client: redis.Redis, script: Script, calls: Sequence[Call], wait: Wait
) -> tuple[list[Any], Any]:
    """As `run`, and how many replicas have what was written (or the error reply). WAIT looks at
    what its own connection wrote, so it follows the calls in their pipeline."""
    *replies, reached = _send(client, script, calls, wait=wait)
    if not any(isinstance(reply, NoScriptError) for reply in replies):
        return replies, reached
    *replies, reached = _send(client, script, calls, load=True, wait=wait)
    return replies, reached


def run(client: redis.Redis, script: Script, calls: Sequence[Call]) -> list[Any]:
    """The replies (or error replies) to all calls, in one round trip; a second one only for calls
    that reached a server without the script.

    In a pipeline, redis-py's own `Script` first asks the server whether it has the script: one
    more round trip for every batch.
    """
    replies = _send(client, script, calls)
    unknown = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
    if unknown:
        again = _send(client, script, [calls[i] for i in unknown], load=True)
        for i, reply in zip(unknown, again, strict=True):
            replies[i] = reply
    return replies


def run_after_values(
    client: redis.Redis, groups: Sequence[Sequence[str]], script: Script, call: Call
) -> list[Any]:
    """The values of each group of keys at one moment, and at the end the reply to the call (or
    the error replies), in one round trip; a second one for a server without the script.

    The script does not read the values itself: they can be many MB, and copying them would keep
    other clients waiting. A transaction does not serve either: a server short of memory refuses
    it, even for reads.
    """
    replies = _send(client, script, [call], groups=groups)
    if isinstance(replies[-1], NoScriptError):
        replies[-1:] = _send(client, script, [call], load=True)
    return replies


def _send(
    client: redis.Redis,
    script: Script,
    calls: Sequence[Call],
    *,
    groups: Sequence[Sequence[str]] = (),
    load: bool = False,
    wait: Wait | None = None,
) -> list[Any]:
    with client.pipeline(transaction=False) as pipeline:
        for names in groups:
            pipeline.mget(names)
        if load:
            # A server without this script has none of them, so that the others need not find out.
            for known in Script.known:
                pipeline.script_load(known.source)
        evalsha = pipeline.evalsha_ro if script.read_only else pipeline.evalsha
        for call in calls:
            evalsha(script.sha, len(call.keys), *call.keys, *call.args)
        if wait:
            pipeline.wait(wait.replicas, int(wait.seconds * 1000))
        replies = pipeline.execute(raise_on_error=False)
    if not load:
        return replies
    loaded = replies[Script.known.index(script)]
    if isinstance(loaded, Exception):
        return [loaded] * (len(calls) + (1 if wait else 0))
    return replies[len(Script.known) :]
