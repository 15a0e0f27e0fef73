"""What `regional-assets doctor` finds at a node, of which a cluster has many, and in a cluster as a
whole."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import redis
from redis.exceptions import NoPermissionError

from regional_assets.intelligence.model import Model
from regional_assets.store import access
from regional_assets.store.cluster import Cluster, cluster_of
from regional_assets.store.connection import UNREACHABLE, address, refusal
from regional_assets.store.keys import Keys
from regional_assets.store.scripts import Call, Script, run

Verdict = Literal["ok", "warning", "problem", "skipped"]
# Verdict, finding, advice.
Result = tuple[Verdict, str, str]

_SLOTS = 16_384
_NAMED = 3
# Commands that a script looks at. More would block the server's other clients for too long.
_PER_SCRIPT = 2_000
_RIGHTS_ADVICE = "`regional-assets acl` prints the rules of a user who may"
_RIGHTS = Script.load("rights.lua", read_only=True)


def rights(client: redis.Redis, keys: Keys, model: Model) -> Result:
    """Whether this user may do all that a run does; in a cluster, on every node, because each has
    users of its own."""
    cluster = cluster_of(client)
    if not cluster:
        return _rights_at(client, keys, model)
    for node in map(cluster.client, cluster.all_nodes()):
        verdict, found, advice = _rights_at(node, keys, model)
        if verdict != "ok":
            return verdict, f"{address(node)}: {found}", advice
    return verdict, found, advice


def _rights_at(client: redis.Redis, keys: Keys, model: Model) -> Result:
    refused = _refused(client, list(access.uses(keys, model)))
    if isinstance(refused, str):
        return "problem", f"this user {refused}", _RIGHTS_ADVICE
    if _refused(client, list(access.uses_of_own(keys))):
        return (
            "warning",
            f"this user may do all that a run needs, but lacks rights on {keys.own('*')}, which "
            "the next versions use",
            f"before the next upgrade, create the users again: {_RIGHTS_ADVICE}",
        )
    return "ok", "this user may do all that a run does", ""


def _refused(client: redis.Redis, uses: Sequence[access.Use]) -> str | None:
    """What this user may not do of that, as the end of a sentence; None when it may do all."""
    batches = [uses[start : start + _PER_SCRIPT] for start in range(0, len(uses), _PER_SCRIPT)]
    calls = [Call(_RIGHTS, [], [json.dumps(use.words) for use in batch]) for batch in batches]
    refused: list[access.Use] = []
    for batch, reply in zip(batches, run(client, calls), strict=True):
        if isinstance(reply, NoPermissionError):
            return f"may not run scripts: {reply}"
        if isinstance(reply, Exception):
            raise reply
        refused += [batch[position - 1] for position in reply]
    if not refused:
        return None
    wanted = Counter(use.command for use in uses)
    commands = [
        name for name, count in Counter(u.command for u in refused).items() if count == wanted[name]
    ]
    names = dict.fromkeys(use.key for use in refused if use.key and use.command not in commands)
    found = [f"may not run {', '.join(commands)}"] if commands else []
    if names:
        more = f" and {len(names) - _NAMED} more keys" if len(names) > _NAMED else ""
        found.append(f"lacks rights on {', '.join(list(names)[:_NAMED])}{more}")
    return "; ".join(found)


def cluster_state(cluster: Cluster) -> Result:
    """Verdict, finding, advice: whether the cluster serves all slots, whether the node of this
    project's slot has replicas, and whether every node lets this user in."""
    served = sum(last - first + 1 for first, last, _ in cluster.slots())
    primary, *replicas = cluster.nodes(cluster.slot)
    info: Any = cluster.client(primary).cluster("INFO")
    if info["cluster_state"] != "ok" or served < _SLOTS:
        return (
            "problem",
            f"cluster_state:{info['cluster_state']}, {served} of {_SLOTS} slots have a node",
            "see `redis-cli --cluster check`",
        )
    found = f"slot {cluster.slot} on {primary[0]}:{primary[1]}, {len(replicas)} replicas"
    barred = [
        f"{host}:{port}: {problem}"
        for host, port in cluster.all_nodes()
        if (problem := _problem(cluster.client((host, port))))
    ]
    if barred:
        return (
            "problem",
            f"{found}; {'; '.join(barred)}",
            "a node may become the one with the keys at any time: start it, and give every node "
            "the users of `regional-assets acl`",
        )
    if not replicas:
        return (
            "warning",
            found,
            "give that node a replica (redis-cli --cluster add-node ... --cluster-slave): without "
            "one, its loss stops all runs",
        )
    return "ok", found, ""


def _problem(node: redis.Redis) -> str:
    try:
        node.ping()
    except (redis.RedisError, *UNREACHABLE) as error:
        return refusal(error)
    return ""
