"""What `regional-assets doctor` finds in a cluster as a whole."""

from typing import Any, Literal

import redis

from regional_assets.store.cluster import Cluster
from regional_assets.store.connection import UNREACHABLE, refusal

_SLOTS = 16_384


def state(cluster: Cluster) -> tuple[Literal["ok", "warning", "problem"], str, str]:
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
