"""The probes of `regional-assets doctor`: server and state folder."""

import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import msgspec
import redis
from redis.exceptions import NoPermissionError, ResponseError

from regional_assets.errors import STORE_ERRORS
from regional_assets.intelligence.inputs import read_inputs
from regional_assets.intelligence.model import Model
from regional_assets.settings import StoreSettings
from regional_assets.store import access, sentinel_diagnosis
from regional_assets.store.cluster import cluster_of
from regional_assets.store.connection import (
    MODE_ADVICE,
    OTHER_MODES,
    PRIMARY_ADVICE,
    UNREACHABLE,
    address,
    fields,
    is_on_this_machine,
    refusal,
)
from regional_assets.store.errors import one_line
from regional_assets.store.identity import MetStore, present_store
from regional_assets.store.node_diagnosis import Result, Verdict, cluster_state, rights
from regional_assets.store.sentinel import sentinels_of
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets.store.state_folder import write_problem
from regional_assets.store.tried import VERSION_ADVICE, product, tried
from regional_assets.store.wire import as_text

# A run makes two round trips; a slower server is far away or overloaded.
LATENCY_WARNING_MS = 50.0
_PINGS = 11
# Inputs age in minutes and alerts are guarded for hours, by this machine's clock.
CLOCK_WARNING_MS = 1_000
CLOCK_PROBLEM_MS = 60_000
MEMORY_WARNING = 0.9
DISK_WARNING = 100_000_000


class Finding(msgspec.Struct, frozen=True):
    """What one check found, and what to do about it."""

    check: str
    verdict: Verdict
    found: str
    advice: str = ""


class _Server(msgspec.Struct, dict=True):
    """The server under examination, through a store on it; each reply is fetched once."""

    settings: StoreSettings
    model: Model
    now: Callable[[], int]
    on_record: Callable[[], MetStore | None]

    @cached_property
    def store(self) -> SnapshotStore:
        return SnapshotStore.open(self.model, self.settings)

    @property
    def client(self) -> redis.Redis:
        return self.store.client

    @cached_property
    def hello(self) -> dict[str, str]:
        """The reply to HELLO, which every user may send; its text fields alone."""
        return fields(self.store.attempt(partial(self.client.execute_command, "HELLO")))

    @cached_property
    def info(self) -> dict[str, Any]:
        return dict(self.client.info())


def diagnose(
    settings: StoreSettings | None,
    model: Model,
    now: Callable[[], int],
    on_record: Callable[[], MetStore | None],
) -> Iterator[Finding]:
    """The findings of all probes, one after the other. With `settings` None, because they are
    invalid, every probe is skipped. `on_record` gives the store of the runs before. Changes
    nothing, but starts the embedded server where that is configured."""
    if settings is None:
        for name in ("reachability", *_CHECKS):
            yield Finding(name, "skipped", "needs settings that are understood")
        return
    server = _Server(settings, model, now, on_record)
    yield examined("state folder", partial(_state_folder, settings.state_dir))
    yield (reached := examined("reachability", partial(_reachability, server)))
    for name, look in _CHECKS.items():
        if reached.verdict == "ok":
            yield examined(name, partial(look, server))
        else:
            yield Finding(name, "skipped", "needs a server that answers")
    if "store" in vars(server):
        server.client.close()


def examined(check: str, look: Callable[[], Result]) -> Finding:
    """The finding of one check, whatever goes wrong in it."""
    try:
        return Finding(check, *look())
    except NoPermissionError as error:
        advice = "grant that to have it checked"
        return Finding(check, "skipped", f"this user may not look: {error}", advice)
    except ResponseError as error:
        return Finding(check, "skipped", f"the server does not answer this: {refusal(error)}")
    except (*STORE_ERRORS, *UNREACHABLE) as error:
        return Finding(check, "problem", one_line(error))
    except KeyError as error:
        return Finding(check, "skipped", f"the server does not report {error}")
    # No check may keep the others from being made.
    except Exception as error:
        words = f"the check itself failed: {type(error).__name__}: {one_line(error)}"
        return Finding(check, "problem", words)


def _state_folder(folder: Path) -> Result:
    if not folder.exists():
        return "ok", f"{folder} will be created when it is needed", ""
    problem = write_problem(folder)
    if problem:
        return "problem", problem, ""
    free = shutil.disk_usage(folder).free
    if free >= DISK_WARNING:
        return "ok", f"{folder}: {_size(free)} free", ""
    return (
        "warning",
        f"{folder}: {_size(free)} free",
        "make room: runs and snapshots are kept there",
    )


def _reachability(server: _Server) -> Result:
    return "ok", f"{address(server.client)} answers ({server.hello['server']})", ""


def _encryption(server: _Server) -> Result:
    options = server.client.get_connection_kwargs()
    if "path" in options:
        return "ok", "a Unix socket", ""
    if issubclass(server.client.connection_pool.connection_class, redis.SSLConnection):
        verified = options.get("ssl_cert_reqs", "required") == "required"
        if verified and options.get("ssl_check_hostname", True):
            return "ok", "TLS, the server's certificate is verified", ""
        return (
            "warning",
            "TLS, but the server's certificate or its name is not verified",
            "remove ssl_cert_reqs and ssl_check_hostname from REDIS_URL; ssl_ca_certs names a CA",
        )
    if is_on_this_machine(server.client):
        return "ok", "none, on this machine", ""
    return (
        "warning",
        "none: password and data can be read in transit",
        "use rediss:// (see docs/operations.md)",
    )


def _latency(server: _Server) -> Result:
    times = []
    for _ in range(_PINGS):
        started = time.perf_counter()
        server.client.ping()
        times.append((time.perf_counter() - started) * 1000)
    median = statistics.median(times)
    found = f"{median:.1f} ms, the median of {_PINGS} PINGs"
    if median <= LATENCY_WARNING_MS:
        return "ok", found, ""
    return (
        "warning",
        f"{found}; above {LATENCY_WARNING_MS:g} ms",
        "run nearer to the server, or see what keeps it busy (SLOWLOG GET)",
    )


def _version(server: _Server) -> Result:
    unnamed = ""
    try:
        found = product(server.hello, server.client.info("server"))
    except NoPermissionError:
        # Other products may look like Redis without INFO.
        found, unnamed = product(server.hello, {}), " by HELLO; this user may not ask for INFO"
    if found.is_too_old:
        return "problem", f"{found}{unnamed}", VERSION_ADVICE
    if found.was_tried:
        return "ok", f"{found}{unnamed}", ""
    return (
        "warning",
        f"{found}{unnamed}, which is not among the servers that were tried: {tried()}",
        "use one of them, or try this one first as docs/deployment.md describes",
    )


def _mode(server: _Server) -> Result:
    if cluster := cluster_of(server.client):
        return cluster_state(cluster)
    mode = server.hello["mode"]
    if mode == "standalone":
        return "ok", "no cluster", ""
    return "problem", OTHER_MODES.get(mode, mode), MODE_ADVICE.get(mode, VERSION_ADVICE)


def _role(server: _Server) -> Result:
    role = server.hello.get("role", "server without a role")
    if role == "master":
        return "ok", "a primary", ""
    return "problem", f"a {role}, which refuses writes", PRIMARY_ADVICE


def _replication(server: _Server) -> Result:
    sentinels = sentinels_of(server.client)
    wanted = server.settings.replicas
    if not wanted and not sentinels:
        return "ok", "no commit waits for replicas", ""
    return sentinel_diagnosis.replication(server.info, wanted, sentinels)


def _eviction(server: _Server) -> Result:
    policy, limit = server.info["maxmemory_policy"], server.info["maxmemory"]
    if policy == "noeviction":
        return "ok", policy, ""
    if not limit:
        return "ok", f"{policy}, but without maxmemory nothing is evicted", ""
    return (
        "warning",
        f"{policy} at {_size(limit)}: snapshots, histories or the guards against doubled alerts "
        "may vanish at any time",
        "CONFIG SET maxmemory-policy noeviction; then a full server refuses writes with an error",
    )


def _persistence(server: _Server) -> Result:
    info = server.info
    failing = [
        name
        for name in ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status")
        if info.get(name, "ok") != "ok"
    ]
    if failing:
        return (
            "problem",
            f"the server cannot write its data to disk ({', '.join(failing)})",
            "see the server's log; make room on its disk",
        )
    if info["aof_enabled"]:
        return "ok", "append-only file", ""
    if server.client.config_get("save")["save"]:
        return "ok", "RDB snapshots: a crash loses what came after the last one", ""
    return (
        "warning",
        "none: a restart loses all snapshots and histories",
        "CONFIG SET appendonly yes (and in the server's configuration file)",
    )


def _memory(server: _Server) -> Result:
    used, limit = server.info["used_memory"], server.info["maxmemory"]
    if not limit:
        return "ok", f"{_size(used)} used, no limit", ""
    found = f"{_size(used)} of {_size(limit)} used"
    if used < MEMORY_WARNING * limit:
        return "ok", found, ""
    verdict: Verdict = "problem" if used >= limit else "warning"
    return verdict, found, "raise maxmemory, or see what fills the server (MEMORY STATS)"


def _types(server: _Server) -> Result:
    keys = server.store.keys
    plain = (*access.read_only_keys(keys, server.model), *access.write_only_keys(keys))
    needed = dict.fromkeys(plain, "string")
    for region in server.model.region_ids:
        needed |= {key: found.kind for key, found in access.stored_keys(keys, region, "0").items()}
    for trigger in server.model.trailing_triggers:
        needed[keys.observations(trigger.region, trigger.metric)] = "zset"
    if cluster := cluster_of(server.client):
        replies = cluster.each([("TYPE", name) for name in needed])
    else:
        with server.client.pipeline(transaction=False) as pipeline:
            for name in needed:
                pipeline.type(name)
            replies = pipeline.execute(raise_on_error=False)
    held = {
        name: as_text(reply)
        for name, reply in zip(needed, replies, strict=True)
        if not isinstance(reply, Exception)
    }
    if not held:
        raise replies[0]
    wrong = [
        f"{name} holds a {kind} where a {needed[name]} belongs"
        for name, kind in held.items()
        if kind not in ("none", needed[name])
    ]
    if wrong:
        return "problem", "; ".join(wrong), "RENAME it to keep it, or delete it"
    return "ok", f"{sum(kind != 'none' for kind in held.values())} keys, each of its type", ""


def _clock(server: _Server) -> Result:
    before = server.now()
    seconds, microseconds = server.client.time()
    after = server.now()
    ahead = seconds * 1000 + microseconds / 1000 - (before + after) / 2
    # The reply may have taken all of that time.
    surely = max(0.0, abs(ahead) - (after - before) / 2)
    found = f"the server is {abs(ahead) / 1000:.1f} s {'ahead' if ahead > 0 else 'behind'}"
    if surely <= CLOCK_WARNING_MS:
        return "ok", found, ""
    verdict: Verdict = "problem" if surely > CLOCK_PROBLEM_MS else "warning"
    return verdict, found, "synchronise the clocks of both machines by NTP"


def _identity(server: _Server) -> Result:
    present, known = present_store(server.client, server.store.keys), server.on_record()
    if known is None:
        return "ok", f"{present}; no run has put a store on record yet", ""
    if present.identity == known.identity:
        return "ok", f"{present}, that of the runs before", ""
    if not present.identity and present.address == known.address:
        advice = "restore it, if it should not be empty; the next run begins anew in it"
        return "warning", f"{present} was emptied: it had the identity {known.identity}", advice
    advice = "correct REDIS_URL or REGIONAL_KEY_PREFIX; if it is meant, `regional-assets adopt`"
    return "problem", f"{present} is not the store of the runs before, {known}", advice


def _inputs(server: _Server) -> Result:
    states = read_inputs(server.model.inputs, server.store.read([]).values, server.now())
    by_freshness: dict[str, list[str]] = {}
    for name, state in states.items():
        shown = f"{name} ({state.problem})" if state.problem else name
        by_freshness.setdefault(state.freshness, []).append(shown)
    missing = by_freshness.pop("missing", [])
    found = f"{len(states) - len(missing)} of {len(states)} present"
    if len(missing) == len(states):
        advice = "start the feeds' writers"
        # Elsewhere alerts from an invented world would reach people.
        if server.settings.redis_url is None:
            advice += "; `regional-assets inputs load` loads samples"
        return "warning", found, advice
    for word, names in (("missing", missing), ("stale", by_freshness.get("stale", []))):
        found += f"; {word}: {', '.join(names)}" if names else ""
    if by_freshness.get("fresh") != list(states):
        return (
            "warning",
            found,
            "see to their writers; `regional-assets inputs status` shows details",
        )
    return "ok", f"{found} and fresh", ""


_CHECKS: Mapping[str, Callable[[_Server], Result]] = {
    "encryption": _encryption,
    "latency": _latency,
    "version": _version,
    "cluster": _mode,
    "role": _role,
    "replication": _replication,
    "eviction": _eviction,
    "persistence": _persistence,
    "memory": _memory,
    "rights": lambda server: rights(server.client, server.store.keys, server.model),
    "key types": _types,
    "clock": _clock,
    "store": _identity,
    "inputs": _inputs,
}


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
