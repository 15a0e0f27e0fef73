"""Messages of several scripts: each call has its own reply, whatever becomes of the others."""

import hashlib
from collections.abc import Iterator

import pytest
import redis
from redis.exceptions import NoPermissionError, ResponseError

from regional_assets.redis_link.scripts import Call, Script, Wait, run


def script(source: str, *, read_only: bool = False) -> Script:
    return Script(source, hashlib.sha1(source.encode()).hexdigest(), read_only)


GET = script("return redis.call('GET', KEYS[1])", read_only=True)
SET = script("return redis.call('SET', KEYS[1], ARGV[1])")
BROKEN = script("return (")

pytestmark = pytest.mark.parametrize("server_url", ["valkey", "redis"], indirect=True)


@pytest.fixture
def client(server_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.Redis]:
    """A server that knows no script, and a user who may use keys `a*` alone."""
    monkeypatch.setattr(Script, "known", [GET, SET, BROKEN])
    with redis.Redis.from_url(server_url) as admin:
        admin.flushall()
        admin.script_flush()
        admin.set("b", "2")
        admin.acl_setuser("narrow", enabled=True, nopass=True, keys=["a*"], commands=["+@all"])
        with redis.Redis.from_url(server_url, username="narrow", password="x") as user:
            yield user
        admin.acl_deluser("narrow")


@pytest.mark.parametrize("known", [False, True])
def test_a_script_that_is_refused_leaves_the_other_its_reply(
    client: redis.Redis, known: bool
) -> None:
    if known:
        client.script_load(GET.source)
        client.script_load(SET.source)
    refused, done, read = run(
        client, [Call(GET, ["b"], []), Call(SET, ["a"], ["1"]), Call(GET, ["a"], [])]
    )
    assert isinstance(refused, NoPermissionError)
    assert (done, read) == (b"OK", b"1")
    done, refused = run(client, [Call(SET, ["a"], ["2"]), Call(GET, ["b"], [])])
    assert done == b"OK"
    assert isinstance(refused, NoPermissionError)


@pytest.mark.parametrize("broken_first", [True, False])
def test_a_script_that_cannot_be_loaded_leaves_the_other_its_reply(
    client: redis.Redis, broken_first: bool
) -> None:
    calls = [Call(BROKEN, ["a"], []), Call(SET, ["a"], ["1"])]
    replies = run(client, calls if broken_first else calls[::-1])
    broken, done = replies if broken_first else replies[::-1]
    assert done == b"OK"
    assert isinstance(broken, ResponseError)
    assert "compiling script" in str(broken)
    *replies, reached = run(client, calls, wait=Wait(0, 0.1))
    assert replies[1] == b"OK"
    assert isinstance(replies[0], ResponseError)
    assert reached == 0


def test_values_come_first_and_stay_when_scripts_are_sent_again(client: redis.Redis) -> None:
    client.set("a", "1")
    calls = [Call(GET, ["a"], []), Call(SET, ["a2"], ["2"])]
    for _ in range(2):
        assert run(client, calls, [["a", "a3"], ["a"]]) == [[b"1", None], [b"1"], b"1", b"OK"]
    assert run(client, [], [["a"]]) == [[b"1"]]
