"""The users of `regional-assets acl` may do exactly what is needed.

That it is enough for the writer, the store's own tests show: on Redis they all run as that user
(see conftest).
"""

import math
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import redis

from benchmarks.generated_model import generated
from regional_assets.redis_link.server import Server
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store import access, rights
from regional_assets.store.connection import connect
from regional_assets.store.keys import Keys
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.built_in import COMPANION_KEYS, INPUT_KEYS, MODEL
from regional_assets_tests.support.everything import everything
from regional_assets_tests.support.servers import calls
from regional_assets_tests.support.stores import OpenStore, keys, settings
from regional_assets_tests.support.worlds import NOW, sample_values

WRITER, READER = access.users(keys)
RULES = dict(zip((WRITER, READER), access.rules(keys, MODEL), strict=True))


@pytest.fixture
def traffic(store: OpenStore, folder: Path) -> list[tuple[str, list[str]]]:
    """What `everything` has the server do, as it happens: from where ("lua", "unix"), the
    command's words."""
    seen: list[tuple[str, list[str]]] = []
    client: Any = store.client
    with client.monitor() as monitor:
        everything(store, folder)
        client.echo("end")
        for found in monitor.listen():
            seen.append((found["client_type"], found["command"].split(" ")))
            if seen[-1][1] == ["ECHO", "end"]:
                break
    return seen


def keys_of(words: list[str]) -> list[str]:
    """The keys among a command's words."""
    if words[0] in ("EVALSHA", "EVALSHA_RO"):
        return words[3 : 3 + int(words[2])]
    if words[0] in ("MGET", "WATCH"):
        return words[1:]
    if words[0] == "COPY":
        return words[1:3]
    return words[1:2]


KEYLESS = (
    *("SCRIPT", "MULTI", "EXEC", "UNWATCH", "SELECT", "PING", "TIME", "HELLO", "AUTH"),
    "WAIT",
)


@pytest.mark.parametrize("server_url", ["valkey", "redis"], indirect=True)
def test_every_key_a_script_touches_is_declared(traffic: list[tuple[str, list[str]]]) -> None:
    """The rights on an undeclared key would only be found missing in the middle of a script."""
    declared: list[str] = []
    touched = 0
    for source, words in traffic:
        if words[0].startswith("EVALSHA"):
            declared = keys_of(words)
        elif source == "lua" and words[0] not in KEYLESS:
            touched += 1
            assert words[1] in declared, words[:2]
    assert touched > 200


@pytest.mark.parametrize("server_url", ["redis"], indirect=True)
def test_every_right_of_the_writer_is_used(traffic: list[tuple[str, list[str]]]) -> None:
    root, *selectors = RULES[WRITER].replace(")", "").split("(")
    used = {" ".join(words[:2]) if words[0] == "SCRIPT" else words[0] for _, words in traffic}
    names = {name.lower().replace("script ", "script|") for name in used}
    assert granted(root)[0] <= names
    done = {
        (words[0].lower(), key)
        for _, words in traffic
        if words[0] not in KEYLESS
        for key in keys_of(words)
    }
    # In the root, only scripts and TYPE have keys; in a selector, each command has each key.
    unused = {
        (command, pattern)
        for commands, patterns in (({"*"}, granted(root)[1]), *map(granted, selectors))
        for command in commands
        for pattern in patterns
        # Those on further keys are for the versions to come.
        if pattern != keys.own("*")
        and not any(fnmatchcase(name, command) and fnmatchcase(key, pattern) for name, key in done)
    }
    assert unused == set()


def granted(rule: str) -> tuple[set[str], set[str]]:
    """The commands and the key patterns of a part of a rule."""
    words = rule.split()
    return (
        {word[1:] for word in words if word[0] == "+"},
        {word[word.index("~") + 1 :] for word in words if "~" in word},
    )


@pytest.fixture(params=[WRITER, READER])
def user(
    request: pytest.FixtureRequest, store: OpenStore, folder: Path
) -> Iterator[tuple[str, redis.Redis]]:
    """Each of the users, after a run; name and client."""
    everything(store, folder)
    path = store.client.get_connection_kwargs()["path"]
    name: str = request.param
    client = connect(settings(f"unix://{name}:{access.PASSWORD}@{path}", folder))
    yield name, client
    client.close()


OTHERS = (
    *("FLUSHALL", "FLUSHDB", "KEYS *", "SCAN 0", "DBSIZE", "RANDOMKEY", "INFO", "CONFIG GET dir"),
    *("CONFIG SET maxmemory 1", "ACL WHOAMI", "ACL LIST", "ACL SETUSER x", "SHUTDOWN"),
    *("MODULE LIST", "REPLICAOF NO ONE", "SAVE", "BGREWRITEAOF", "MONITOR", "CLIENT LIST"),
    *("SCRIPT FLUSH", "EVAL return(1) 0", "FUNCTION LIST", "SWAPDB 0 1", "PUBLISH x y"),
    f"RPOP {keys.alert_queue}",
    f"RENAME {keys.latest('mena')} {keys.latest('europe')}",
    f"PERSIST {keys.latest('mena')}",
    f"DUMP {keys.latest('mena')}",
    "GET of-somebody-else",
    "SET of-somebody-else x",
    f"SET {INPUT_KEYS[0]} x",
    f"DEL {INPUT_KEYS[0]}",
    f"EXPIRE {COMPANION_KEYS[0]} 1",
)
WRITER_MAY_NOT = (
    f"COPY {keys.latest('mena')} of-somebody-else",
    f"COPY of-somebody-else {keys.latest('mena')}",
    f"GET {keys.summary_seed_meta}",
    f"GET {keys.brief_summary}",
    f"LTRIM {keys.alert_queue} 1 0",
    f"DEL {keys.alert_queue}",
    f"SET {keys.alert_queue} x",
    f"COPY {keys.snapshot_by_id('x')} {keys.alert_queue} REPLACE",
    f"COPY {keys.snapshot_by_id('x')} {keys.latest('mena')} REPLACE",
    f"EXPIRE {keys.alert_queue} 1",
    f"DEL {keys.latest('mena')}",
    f"DEL {keys.alert_guard('type', 'hash')}",
    f"EXPIRE {keys.latest('mena')} 1",
    f"SET {keys.index('mena')} x",
    f"SET {keys.regime_history('mena')} x",
    f"SET {keys.snapshot_at('mena', NOW)} x",
    f"SET {keys.live('mena')} x",
    f"EVALSHA {'0' * 40} 1 {INPUT_KEYS[0]}",
    "EVALSHA_RO 0 1 of-somebody-else",
)
READER_MAY_NOT = (
    f"COPY {keys.latest('mena')} {keys.latest('europe')}",
    f"GET {INPUT_KEYS[0]}",
    f"LRANGE {keys.alert_queue} 0 -1",
    f"ZRANGE {keys.index('mena')} 0 -1",
    f"SET {keys.latest('mena')} x",
    f"DEL {keys.summary}",
    f"LPUSH {keys.regime_history('mena')} x",
    f"GET {keys.narrative('mena', 'digest')}",
    "SCRIPT LOAD return(1)",
    f"EVALSHA_RO {'0' * 40} 0",
)


def refused(client: Any, command: str) -> bool:
    try:
        client.execute_command(*command.split())
    except redis.exceptions.NoPermissionError:
        return True
    except redis.ResponseError:
        pass
    return False


@pytest.mark.parametrize("server_url", ["redis"], indirect=True)
def test_everything_else_is_refused(user: tuple[str, redis.Redis], store: SnapshotStore) -> None:
    name, client = user
    before = {key: store.client.dump(key) for key in store.client.scan_iter()}
    commands = (*OTHERS, *(WRITER_MAY_NOT if name == WRITER else READER_MAY_NOT))
    assert [command for command in commands if not refused(client, command)] == []
    assert {key: store.client.dump(key) for key in store.client.scan_iter()} == before


@pytest.mark.parametrize("server_url", ["redis"], indirect=True)
@pytest.mark.parametrize("user", [READER], indirect=True)
def test_the_readers_read(user: tuple[str, redis.Redis]) -> None:
    """The commands of panels and health checks (CONSUMERS 20.2 to 20.5)."""
    _, client = user
    pointer = client.get(keys.latest("mena"))
    assert isinstance(pointer, bytes)
    assert client.get(keys.snapshot_by_id(pointer.decode()))
    assert client.lrange(keys.regime_history("mena"), 0, 49)
    assert client.get(keys.brief("mena"))
    for data, meta in (
        (keys.summary, keys.summary_seed_meta),
        (keys.brief_summary, keys.brief_seed_meta),
    ):
        assert client.strlen(data) > 0
        assert client.get(meta)


def test_what_the_command_prints_can_be_given_to_a_server(server_url: str) -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "regional_assets.cli.main", "acl"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stderr == ""
    with redis.Redis.from_url(server_url) as client:
        client.acl_deluser(WRITER, READER)
        for line in printed.stdout.splitlines():
            client.execute_command(*line.split())
        for name in (WRITER, READER):
            created = client.acl_getuser(name)
            assert created["flags"] == ["on", *(f for f in created["flags"] if f != "on")]
            assert "-@all" in created["categories"]
            assert len(created["passwords"]) == 1
            assert not any(channel for channel in created["channels"])


@pytest.mark.parametrize("server_url", ["redis"], indirect=True)
def test_scripts_look_at_a_bounded_number_of_rights(server_url: str) -> None:
    model = generated(60)
    with redis.Redis.from_url(server_url) as admin:
        rule = re.sub(r"~dedup:[^ )]+", "", RULES[WRITER].replace(WRITER, "limited"))
        admin.execute_command(*rule.split())
        with redis.Redis.from_url(server_url, username="limited", password=access.PASSWORD) as user:
            rights.rights(Server(user), keys, model)
            admin.config_resetstat()
            found = rights.rights(Server(user), keys, model).found
        counted = calls(admin)
        admin.acl_deluser("limited")
    uses = [*access.uses(keys, model)]
    lacking = {use.key for use in uses if (use.key or "").startswith("dedup:")}
    assert "lacks rights on dedup:snapshot:v1:mena:0" in found
    # Of all the scripts.
    assert found.endswith(f" and {len(lacking) - 3} more keys")
    assert counted["evalsha_ro"] == math.ceil(len(uses) / 2_000) == 3


OWN = keys.own("latest-content:mena")
# By kind of key: commands that write and read it.
OWN_COMMANDS = {
    "string": ("SET {} x", "GET {}", "STRLEN {}", "SETEX {} 60 x"),
    "hash": ("HSET {} a b", "HGETALL {}", "HGET {} a", "HDEL {} a"),
    "zset": ("ZADD {} 1 a", "ZRANGE {} 0 -1", "ZSCORE {} a", "ZREMRANGEBYSCORE {} 0 1"),
    "list": ("LPUSH {} a", "LRANGE {} 0 -1", "LTRIM {} 0 9", "RPOP {}"),
}
ON_ANY_OWN = ("TYPE {}", "EXISTS {}", "EXPIRE {} 60", "PEXPIRETIME {}", "PERSIST {}", "DEL {}")
OWN_MAY_NOT = (
    *("SADD {} a", "XADD {} * a b", "GEOADD {} 1 1 a", "PFADD {} a", "SETBIT {} 1 1"),
    *("RENAME {} {}:2", "COPY {} {}:2", "DUMP {}", "OBJECT ENCODING {}", "SCAN 0 MATCH {}"),
    f"MGET {{}} {INPUT_KEYS[0]}",
    f"MSET {{}} x {keys.latest('mena')} x",
    f"LMOVE {{}} {keys.alert_queue} LEFT LEFT",
    f"ZRANGESTORE {{}} {keys.index('mena')} 0 -1",
    f"ZUNIONSTORE {keys.index('mena')} 1 {{}}",
    f"EVALSHA {'0' * 40} 2 {{}} of-somebody-else",
)


@pytest.mark.parametrize("server_url", ["valkey", "redis"], indirect=True)
@pytest.mark.parametrize("user", [WRITER], indirect=True)
def test_the_writer_keeps_further_keys_of_every_kind(
    user: tuple[str, redis.Redis], store: SnapshotStore
) -> None:
    client: Any = user[1]
    for kind, commands in OWN_COMMANDS.items():
        for command in (commands[0], *commands, commands[0], *ON_ANY_OWN):
            client.execute_command(*command.format(OWN).split())
            if command == "TYPE {}":
                assert store.client.type(OWN) == kind.encode()
        assert not store.client.exists(OWN)
    # A script may have it beside any other key.
    sha = client.script_load("return redis.call('SET', KEYS[2], redis.call('GET', KEYS[1]))")
    for other in (keys.latest("mena"), keys.confirmed("mena")):
        client.evalsha(sha, 2, other, OWN)
        assert store.client.get(OWN) == store.client.get(other)
    pipeline = client.pipeline(transaction=True)
    pipeline.set(OWN, "x").hset(keys.own("a"), "a", "b")
    assert pipeline.execute() == [True, 1]


@pytest.mark.parametrize("server_url", ["redis"], indirect=True)
def test_nothing_else_is_new(user: tuple[str, redis.Redis], store: SnapshotStore) -> None:
    name, client = user
    store.client.set(OWN, "x")
    commands = [command.format(OWN, OWN) for command in OWN_MAY_NOT]
    if name == READER:
        commands += [c.format(OWN) for used in OWN_COMMANDS.values() for c in used]
        commands += [c.format(OWN) for c in ON_ANY_OWN]
    else:
        beside = keys.own("x").replace("regional-own:v1", "regional-own:v2")
        commands += [c.format(beside) for used in OWN_COMMANDS.values() for c in used]
        commands += [c.format(beside) for c in ON_ANY_OWN]
    assert [command for command in commands if not refused(client, command)] == []
    assert store.client.get(OWN) == b"x"


def test_further_keys_lie_in_the_slot_of_the_others_of_a_cluster() -> None:
    in_cluster = Keys("{regional}:", in_cluster=True)
    slots = {
        redis.crc.key_slot(key.encode())
        for key in (in_cluster.own("a"), in_cluster.own("b:{c}"), in_cluster.latest("mena"))
    }
    assert len(slots) == 1
    [writer, reader] = access.rules(in_cluster, MODEL)
    assert f"~{in_cluster.own('*')}" in writer
    assert "regional-own" not in reader


@pytest.mark.parametrize("server_url", ["valkey", "redis"], indirect=True)
def test_a_user_of_before_is_warned_and_goes_on_committing(
    store: SnapshotStore, folder: Path
) -> None:
    rule = RULES[WRITER].replace(WRITER, "of-before")
    rule = re.sub(r"\([^()]*regional-own[^()]*\)|~\S*regional-own\S*", "", rule)
    assert "regional-own" not in rule
    admin: Any = store.client
    admin.execute_command(*rule.split())
    path = store.client.get_connection_kwargs()["path"]
    configured = settings(f"unix://of-before:{access.PASSWORD}@{path}", folder)
    narrow = SnapshotStore(connect(configured), MODEL, configured)
    store.write_inputs(sample_values())
    try:
        verdict, found, advice = rights.rights(narrow.server, keys, MODEL)
        result = take_snapshots(narrow, ["mena"], NOW)
    finally:
        narrow.client.close()
        store.client.acl_deluser("of-before")
    assert verdict == "warning"
    assert f"lacks rights on {keys.own('*')}" in found
    assert "may do all that a run needs" in found
    assert "`regional-assets acl`" in advice
    assert [r.outcome for r in result.regions] == ["written"]
    # And the run says so.
    assert "permissions" in result.forgotten


@pytest.mark.parametrize("server_url", ["redis"], indirect=True)
@pytest.mark.parametrize(
    "removed",
    [r"\([^()]*regional-own[^()]*\)", r"~\S*regional-own:v1:\*(?= )", r"\+@list"],
)
def test_any_right_on_further_keys_that_is_missing_is_a_warning(
    store: SnapshotStore, folder: Path, removed: str
) -> None:
    rule = re.sub(removed, "", RULES[WRITER].replace(WRITER, "of-before"))
    admin: Any = store.client
    admin.execute_command(*rule.split())
    path = store.client.get_connection_kwargs()["path"]
    client = connect(settings(f"unix://of-before:{access.PASSWORD}@{path}", folder))
    try:
        verdict, *_ = rights.rights(Server(client), keys, MODEL)
    finally:
        client.close()
        store.client.acl_deluser("of-before")
    assert verdict == "warning"
