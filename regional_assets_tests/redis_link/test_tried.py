"""What servers say of themselves, and which of them were tried.

The replies are those of the products' own sources and documents, where the product is none that the
tests can start."""

import re
from pathlib import Path

import pytest
import redis

from regional_assets.redis_link.tried import TRIED, fields, product

DEPLOYMENT = Path(__file__).parents[2] / "docs" / "deployment.md"


@pytest.mark.parametrize(
    ("hello", "info", "words", "was_tried", "too_old"),
    [
        ("redis 6.2.5", {"redis_version": "6.2.5"}, "Redis 6.2.5", False, True),
        ("redis 7.0.0", {"redis_version": "7.0.0"}, "Redis 7.0.0", True, False),
        ("redis 8.6.3", {"redis_version": "8.6.3"}, "Redis 8.6.3", True, False),
        ("redis 8.7.0", {"redis_version": "8.7.0"}, "Redis 8.7.0", False, False),
        ("redis 10.0.0", {"redis_version": "10.0.0"}, "Redis 10.0.0", False, False),
        (
            "valkey 8.0.1",
            {"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "8.0.1"},
            *("Valkey 8.0.1", True, False),
        ),
        ("valkey 7.2.11", {"valkey_version": "7.2.11"}, "Valkey 7.2.11", False, False),
        (
            "redict 7.3.6",
            {"redict_version": "7.3.6", "redis_version": "7.2.4"},
            *("Redict 7.3.6", True, False),
        ),
        (
            "redis 7.4.0",
            {"redis_version": "7.4.0", "dragonfly_version": "df-v1.40.1"},
            *("Dragonfly df-v1.40.1", False, False),
        ),
        # Without the right to ask for INFO.
        ("redis df-v1.40.1", {}, "Redis df-v1.40.1", False, False),
        ("redis 7.0.15", {}, "Redis 7.0.15", True, False),
        (
            "redis 4.0.0",
            {"kvrocks_version": "2.11.0", "redis_version": "4.0.0"},
            *("Kvrocks 2.11.0", False, False),
        ),
        (
            "redis 6.3.4",
            {"redis_version": "6.3.4", "executable": "/data/keydb-server"},
            *("KeyDB 6.3.4", False, False),
        ),
        ("redis 7.0.15", {"gcc_version": "12.2.0"}, "Redis 7.0.15", True, False),
    ],
)
def test_products(
    hello: str, info: dict[str, str], words: str, was_tried: bool, too_old: bool
) -> None:
    found = product(dict(zip(("server", "version"), hello.split(), strict=True)), info)
    assert (str(found), found.was_tried, found.is_too_old) == (words, was_tried, too_old)


def test_a_reply_without_a_name() -> None:
    with pytest.raises(KeyError):
        product({"version": "7.0.0"}, {})


@pytest.mark.parametrize("server", ["valkey_url", "redis_url"])
def test_the_servers_that_the_tests_start_were_tried(
    request: pytest.FixtureRequest, server: str
) -> None:
    with redis.Redis.from_url(request.getfixturevalue(server), protocol=2) as client:
        found = product(fields(client.execute_command("HELLO")), client.info("server"))
    assert found.was_tried, f"when all other tests pass, {found} is a new entry of TRIED"


def test_the_documents_name_those_that_were_tried() -> None:
    table = DEPLOYMENT.read_text().partition("## Servers that were tried")[2].partition("\n## ")[0]
    listed = {
        name: sorted(tuple(map(int, v.split(".")[:2])) for v in versions.split(", "))
        for name, versions in re.findall(r"^\| (\w+) \| ([\d., ]+) \|", table, re.MULTILINE)
    }
    assert {name: (found[0], found[-1]) for name, found in listed.items()} == TRIED
