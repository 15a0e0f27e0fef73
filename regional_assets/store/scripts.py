"""Server-side scripts: one .lua file each, called by hash, sent whole only to a server that does
not know them (a new one, or one that was restarted or flushed)."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, ClassVar

import redis
from redis.exceptions import NoScriptError


@dataclass(frozen=True, slots=True)
class Script:
    """A script's source and the hash Redis knows it by. A `read_only` one is called as such, so
    that a user who may only read its keys may run it."""

    source: str
    sha: str
    read_only: bool
    known: ClassVar[list["Script"]] = []

    @classmethod
    def load(cls, name: str, *, read_only: bool = False) -> "Script":
        """The script of that file name beside this module."""
        source = (resources.files(__package__) / name).read_text(encoding="utf-8")
        sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
        script = cls(source, sha, read_only)
        cls.known.append(script)
        return script


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of one call of a script."""

    keys: Sequence[str]
    args: Sequence[str | int | bytes]


def run(client: redis.Redis, script: Script, calls: Sequence[Call]) -> list[Any]:
    """The replies (or error replies) to all calls, in one round trip; a second one only for
    those that met a server without the script.

    redis-py's own `Script` asks the server first whether it has the script when it is used in a
    pipeline, which is a round trip more for every batch.
    """
    replies = _send(client, script, calls)
    unknown = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
    if unknown:
        again = _send(client, script, [calls[i] for i in unknown], load=True)
        for i, reply in zip(unknown, again, strict=True):
            replies[i] = reply
    return replies


def run_after_values(
    client: redis.Redis, names: Sequence[str], script: Script, call: Call
) -> tuple[Any, Any]:
    """The values of the keys `names`, of one moment, and then the reply to the call (or the error
    replies to either), in one round trip; a second one for a server without the script.

    Not by the script: values can be many MB, which it would copy while nobody else is served. Not
    in a transaction either: a server that is short of memory refuses those, even to read.
    """
    values, reply = _send(client, script, [call], names=names)
    if isinstance(reply, NoScriptError):
        [reply] = _send(client, script, [call], load=True)
    return values, reply


def _send(
    client: redis.Redis,
    script: Script,
    calls: Sequence[Call],
    *,
    names: Sequence[str] = (),
    load: bool = False,
) -> list[Any]:
    with client.pipeline(transaction=False) as pipeline:
        if names:
            pipeline.mget(names)
        if load:
            # A server that does not know this one knows none: the others need not find it out.
            for known in Script.known:
                pipeline.script_load(known.source)
        evalsha = pipeline.evalsha_ro if script.read_only else pipeline.evalsha
        for call in calls:
            evalsha(script.sha, len(call.keys), *call.keys, *call.args)
        replies = pipeline.execute(raise_on_error=False)
    if not load:
        return replies
    loaded = replies[Script.known.index(script)]
    if isinstance(loaded, Exception):
        return [loaded] * len(calls)
    return replies[len(Script.known) :]
