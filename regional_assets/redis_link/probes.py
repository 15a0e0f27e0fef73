"""What a diagnosis asks of any server: whether it is one that data can be trusted to."""

import statistics
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import msgspec
from redis.exceptions import NoPermissionError

from regional_assets.redis_link.refusals import PRIMARY_ADVICE
from regional_assets.redis_link.results import Result, ok, problem, warning
from regional_assets.redis_link.server import Server
from regional_assets.redis_link.tried import VERSION_ADVICE, product, tried

# A slower server is far away or overloaded.
LATENCY_WARNING_MS = 50.0
_PINGS = 11
MEMORY_WARNING = 0.9


class Probe(msgspec.Struct, dict=True):
    """The server under examination; `hello` are the text fields of its reply to HELLO, and
    `replicas` is how many have to have each write."""

    server: Server
    hello: Mapping[str, str]
    replicas: int

    @cached_property
    def info(self) -> dict[str, Any]:
        return dict(self.server.client.info())


def _encryption(probe: Probe) -> Result:
    options = probe.server.client.get_connection_kwargs()
    if "path" in options:
        return ok("a Unix socket")
    if probe.server.has_tls:
        verified = options.get("ssl_cert_reqs", "required") == "required"
        if verified and options.get("ssl_check_hostname", True):
            return ok("TLS, the server's certificate is verified")
        return warning(
            "TLS, but the server's certificate or its name is not verified",
            "remove ssl_cert_reqs and ssl_check_hostname from REDIS_URL; ssl_ca_certs names a CA",
        )
    if probe.server.is_on_this_machine:
        return ok("none, on this machine")
    return warning(
        "none: password and data can be read in transit",
        "use rediss:// (see docs/operations.md)",
    )


def _latency(probe: Probe) -> Result:
    times = []
    for _ in range(_PINGS):
        started = time.perf_counter()
        probe.server.client.ping()
        times.append((time.perf_counter() - started) * 1000)
    median = statistics.median(times)
    found = f"{median:.1f} ms, the median of {_PINGS} PINGs"
    if median <= LATENCY_WARNING_MS:
        return ok(found)
    return warning(
        f"{found}; above {LATENCY_WARNING_MS:g} ms",
        "run nearer to the server, or see what keeps it busy (SLOWLOG GET)",
    )


def _version(probe: Probe) -> Result:
    unnamed = ""
    try:
        server = product(probe.hello, probe.server.client.info("server"))
    except NoPermissionError:
        # Other products may look like Redis without INFO.
        server, unnamed = product(probe.hello, {}), " by HELLO; this user may not ask for INFO"
    found = f"{server}{unnamed}"
    if server.is_too_old:
        return problem(found, VERSION_ADVICE)
    if server.was_tried:
        return ok(found)
    return warning(
        f"{found}, which is not among the servers that were tried: {tried()}",
        "use one of them, or try this one first as docs/deployment.md describes",
    )


def _role(probe: Probe) -> Result:
    role = probe.hello.get("role", "server without a role")
    if role == "master":
        return ok("a primary")
    return problem(f"a {role}, which refuses writes", PRIMARY_ADVICE)


def _replication(probe: Probe) -> Result:
    """Whether as many replicas are in step as have to have each write, and whether another server
    can take the primary's place."""
    failover, wanted = probe.server.failover(), probe.replicas
    if not wanted and not failover:
        return ok("no commit waits for replicas")
    connected = [probe.info[f"slave{number}"] for number in range(probe.info["connected_slaves"])]
    online = sum(replica["state"] == "online" for replica in connected)
    found = f"{online} replicas in step, {wanted} have to have each commit"
    if failover:
        found = f"{found}; {failover.found}"
        if failover.verdict != "ok":
            return failover._replace(found=found)
    if online < wanted:
        return problem(found, "every commit fails: start replicas, or lower REGIONAL_REPLICAS")
    if failover and wanted < online:
        return warning(
            found,
            f"REGIONAL_REPLICAS={online} keeps each acknowledged commit through a failover; with "
            "less, one may lose what was just written",
        )
    return ok(found)


def _eviction(probe: Probe) -> Result:
    policy, limit = probe.info["maxmemory_policy"], probe.info["maxmemory"]
    if policy == "noeviction":
        return ok(policy)
    if not limit:
        return ok(f"{policy}, but without maxmemory nothing is evicted")
    return warning(
        f"{policy} at {size(limit)}: snapshots, histories or the guards against doubled alerts "
        "may vanish at any time",
        "CONFIG SET maxmemory-policy noeviction; then a full server refuses writes with an error",
    )


def _persistence(probe: Probe) -> Result:
    states = ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status")
    if failing := [name for name in states if probe.info.get(name, "ok") != "ok"]:
        return problem(
            f"the server cannot write its data to disk ({', '.join(failing)})",
            "see the server's log; make room on its disk",
        )
    if probe.info["aof_enabled"]:
        return ok("append-only file")
    if probe.server.client.config_get("save")["save"]:
        return ok("RDB snapshots: a crash loses what came after the last one")
    return warning(
        "none: a restart loses all snapshots and histories",
        "CONFIG SET appendonly yes (and in the server's configuration file)",
    )


def _memory(probe: Probe) -> Result:
    used, limit = probe.info["used_memory"], probe.info["maxmemory"]
    if not limit:
        return ok(f"{size(used)} used, no limit")
    found = f"{size(used)} of {size(limit)} used"
    if used < MEMORY_WARNING * limit:
        return ok(found)
    verdict = problem if used >= limit else warning
    return verdict(found, "raise maxmemory, or see what fills the server (MEMORY STATS)")


PROBES: Mapping[str, Callable[[Probe], Result]] = {
    "encryption": _encryption,
    "latency": _latency,
    "version": _version,
    "cluster": lambda probe: probe.server.mode(probe.hello["mode"]),
    "role": _role,
    "replication": _replication,
    "eviction": _eviction,
    "persistence": _persistence,
    "memory": _memory,
}


def size(count: float) -> str:
    """So many bytes, in words."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
