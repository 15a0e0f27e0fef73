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

from regional_assets.redis_link.server import Server
from regional_assets.store import access, rights
from regional_assets.store.connection import connect
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.built_in import COMPANION_KEYS, INPUT_KEYS, MODEL
from regional_assets_tests.support.everything import everything
from regional_assets_tests.support.servers import calls
from regional_assets_tests.support.stores import keys, settings
from regional_assets_tests.support.worlds import NOW

WRITER, READER = access.users(keys)
RULES = dict(zip((WRITER, READER), access.rules(keys, MODEL), strict=True))


@pytest.fixture
def traffic(store: SnapshotStore, folder: Path) -> list[tuple[str, list[str]]]:
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
        if not any(fnmatchcase(name, command) and fnmatchcase(key, pattern) for name, key in done)
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
    request: pytest.FixtureRequest, store: SnapshotStore, folder: Path
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
def test_scripts_look_at_a_bounded_number_of_rights(
    server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with redis.Redis.from_url(server_url) as admin:
        rule = re.sub(r"~dedup:[^ )]+", "", RULES[WRITER].replace(WRITER, "limited"))
        admin.execute_command(*rule.split())
        with redis.Redis.from_url(server_url, username="limited", password=access.PASSWORD) as user:
            whole = rights.rights(Server(user), keys, MODEL)
            monkeypatch.setattr(rights, "_PER_SCRIPT", 100)
            admin.config_resetstat()
            assert rights.rights(Server(user), keys, MODEL) == whole
        counted = calls(admin)
        admin.acl_deluser("limited")
    assert "lacks rights on dedup:snapshot:v1:mena:0" in whole[1]
    assert counted["evalsha_ro"] == math.ceil(len([*access.uses(keys, MODEL)]) / 100)
