"""`regional-assets history`: the regime changes of a region, as the runs stored them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from click.testing import CliRunner, Result

from regional_assets.cli.main import main
from regional_assets.runs.snapshots import take_snapshots
from regional_assets_tests.support.stores import OpenStore, keys
from regional_assets_tests.support.worlds import NOW, quiet_values, sample_values

HISTORY = keys.regime_history("mena")
HOUR = 3_600_000


@pytest.fixture
def client(valkey_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.Redis]:
    """A server on which the regime of one region changed twice; the command uses it."""
    monkeypatch.setenv("REDIS_URL", valkey_url)
    monkeypatch.setenv("REGIONAL_STATE_DIR", str(folder))
    monkeypatch.chdir(folder)
    with redis.Redis.from_url(valkey_url) as connected:
        connected.flushall()
        with OpenStore(valkey_url, folder) as store:
            store.write_inputs(sample_values())
            take_snapshots(store, ["mena"], NOW)
            store.write_inputs(quiet_values(NOW + HOUR))
            take_snapshots(store, ["mena"], NOW + HOUR)
        assert connected.llen(HISTORY) == 2
        yield connected


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["history", *arguments])


def entry(client: redis.Redis, position: int) -> dict[str, Any]:
    return dict(json.loads(client.lrange(HISTORY, position, position)[0]))


def test_it_shows_the_newest_change_first(client: redis.Redis) -> None:
    newest, oldest = entry(client, 0), entry(client, 1)
    said = run("mena")
    assert said.exit_code == 0
    rows = [
        [cell.strip() for cell in line.split("│")[1:-1]]
        for line in said.output.splitlines()
        if line.startswith("│")
    ]
    why = ("transition_driver", "snapshot_id")
    assert rows == [
        ["2026-09-21 15:13 UTC", "coercive_stalemate", "calm", *(newest[name] for name in why)],
        ["2026-09-21 14:13 UTC", "none", "coercive_stalemate", *(oldest[name] for name in why)],
    ]
    assert json.loads(run("mena", "--json").stdout) == [newest, oldest]


def test_damaged_entries_are_named_and_the_rest_is_shown(client: redis.Redis) -> None:
    good = entry(client, 0)
    client.lpush(HISTORY, "{")
    client.rpush(HISTORY, json.dumps(good | {"region_id": "latam"}))
    client.rpush(HISTORY, json.dumps(good | {"transitioned_at": "today\x1b[2J"}))
    said = run("mena")
    assert said.exit_code == 1
    assert "2026-09-21 14:13 UTC" in said.output
    first, second, third = said.output.splitlines()[-3:]
    assert first.startswith(f"{HISTORY}: entry 1 is not a regime change (")
    assert second == f"{HISTORY}: entry 4 is a regime change of another region"
    assert third.startswith(f"{HISTORY}: entry 5 is not a regime change (")
    as_json = run("mena", "--json")
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout)[0] == good
    assert as_json.stderr.splitlines() == [first, second, third]


def test_nothing_of_it_steers_a_terminal(client: redis.Redis) -> None:
    nasty = "\x1b[2J\u202e[red]x[/nope]"
    changed = entry(client, 0) | {"transition_driver": nasty, "snapshot_id": nasty}
    client.lset(HISTORY, 0, json.dumps(changed))
    said = run("mena")
    assert said.exit_code == 0
    assert said.output.count(r"\x1b[2J\u202e[red]x[/nope]") == 2
    assert not set("\x1b\u202e") & set(said.output + run("mena", "--json").output)


def test_no_change_and_a_key_of_a_wrong_type(client: redis.Redis) -> None:
    said = run("latam")
    assert (said.exit_code, said.output) == (0, "latam: no regime change is stored\n")
    assert json.loads(run("latam", "--json").stdout) == []
    client.set(keys.regime_history("latam"), "wrong")
    said = run("latam")
    assert said.exit_code == 1
    assert f"{keys.regime_history('latam')}: WRONGTYPE" in said.output
    assert run("atlantis").exit_code == 2
