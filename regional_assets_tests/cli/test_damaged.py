"""What others may have put into Redis: each damaged part costs one line that names it, and no text
steers a terminal."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from click.testing import CliRunner, Result

from regional_assets.cli.main import main
from regional_assets.runs.clock import current_time
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.runs.summary import update_summary
from regional_assets_tests.support.built_in import REGION_IDS
from regional_assets_tests.support.commands import How, interpreter, typed
from regional_assets_tests.support.stores import OpenStore, keys
from regional_assets_tests.support.worlds import sample_values

OTHERS = [region for region in REGION_IDS if region != "mena"]
# Escape, C1, bidirectional, zero-width, markup of terminals and of Markdown, an emoji code.
NASTY = "\x1b[2J \x9b31m \u202e \u2066 \u200f \u200b \n [red]x[/nope] ![a](http://b) :smile:"
SHOWN = r"\x1b[2J \x9b31m \u202e \u2066 \u200f \u200b \n [red]x[/nope] ![a](http://b) :smile:"
STEERING = set("\x1b\x9b\u202e\u2066\u200f\u200b")


@pytest.fixture
def filled(valkey_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.Redis]:
    """A server with a snapshot of every region, and their alerts; the command uses it."""
    monkeypatch.setenv("REDIS_URL", valkey_url)
    monkeypatch.setenv("REGIONAL_STATE_DIR", str(folder))
    monkeypatch.chdir(folder)
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()
        client.mset(dict(sample_values(current_time())))
        with OpenStore(valkey_url, folder) as store:
            assert not take_snapshots(store, REGION_IDS, current_time()).failed
        yield client


def body_name(client: redis.Redis) -> str:
    found = client.get(keys.latest("mena"))
    assert isinstance(found, bytes)
    return keys.snapshot_by_id(found.decode())


def edited(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The body with `value` at that path (None removes what is there)."""
    *parents, last = path.split(".")
    part: Any = body
    for name in parents:
        part = part[int(name) if name.isdigit() else name]
    if value is None:
        del part[last]
    else:
        part[int(last) if last.isdigit() else last] = value
    return body


def command(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


DAMAGES: dict[str, bytes | Callable[[dict[str, Any]], Any]] = {
    "no JSON": b"{",
    "empty": b"",
    "a list": b"[]",
    "nested": b"[" * 100_000 + b"]" * 100_000,
    "nested in a field": b'{"region_id":"mena","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "no UTF-8": b'{"region_id":"\xff"}',
    "NaN": lambda b: json.dumps(edited(b, "balance.net_balance", float("nan"))).encode(),
    "of another region": lambda b: edited(b, "region_id", "europe"),
    "another id": lambda b: edited(b, "meta.snapshot_id", "x"),
    "no balance": lambda b: edited(b, "balance", None),
    "no axis": lambda b: edited(b, "balance.capital_stress", None),
    "an axis of 7": lambda b: edited(b, "balance.capital_stress", 7),
    "an axis as text": lambda b: edited(b, "balance.capital_stress", "0.5"),
    "no evidence": lambda b: edited(b, "evidence", None),
    "evidence of numbers": lambda b: edited(b, "evidence", [1]),
    "evidence without summary": lambda b: edited(b, "evidence.0.summary", None),
    "no triggers": lambda b: edited(b, "triggers.active", None),
    "triggers of texts": lambda b: edited(b, "triggers.active", ["x"]),
    "no meta": lambda b: edited(b, "meta", None),
    "confidence in words": lambda b: edited(b, "meta.snapshot_confidence", "high"),
    "a confidence of lists": lambda b: edited(b, "meta.snapshot_confidence", [0.5]),
    "no narrative": lambda b: edited(b, "narrative", None),
    "a regime of markup": lambda b: edited(b, "regime.label", "[/]"),
    "a regime of escapes": lambda b: edited(b, "regime.label", NASTY),
    "a regime as a formula": lambda b: edited(b, "regime.label", "=cmd|' /C calc'!A0"),
    "a time beyond dates": lambda b: edited(b, "generated_at", 10**300),
    "a time beyond doubles": lambda b: edited(b, "generated_at", 10**400),
    "a time before": lambda b: edited(b, "generated_at", -1),
    "a driver without words": lambda b: edited(b, "balance.pressures.0.description", None),
    "an actor without a name": lambda b: edited(b, "actors.0.name", None),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_snapshot_costs_one_line(filled: redis.Redis, folder: Path, name: str) -> None:
    key, damage = body_name(filled), DAMAGES[name]
    found = damage if isinstance(damage, bytes) else damage(json.loads(filled.get(key) or b""))
    filled.set(key, found if isinstance(found, bytes) else json.dumps(found))

    status = command("status")
    assert (status.exit_code, type(status.exception)) == (1, SystemExit)
    [line] = [line for line in status.output.splitlines() if key in line]
    assert line.startswith(f"mena: {key} is ")
    for region in OTHERS:
        [row] = [line for line in status.output.splitlines() if f" {region} " in line]
        assert "0." in row

    for arguments in (["show", "mena"], ["show", "mena", "--json"]):
        shown = command(*arguments)
        assert (shown.exit_code, type(shown.exception)) == (1, SystemExit)
        assert f"mena: {key} is " in shown.output
    assert command("show", "europe").exit_code == 0

    verified = command("verify")
    assert (verified.exit_code, type(verified.exception)) == (1, SystemExit)
    assert key in verified.output
    assert verified.output.count("agrees") == len(OTHERS)
    assert command("alerts").exit_code == 0
    said = "".join((status.output, verified.output))
    assert not STEERING & set(said)

    with OpenStore(os.environ["REDIS_URL"], folder) as store:
        run = take_snapshots(store, ["europe"], current_time(), force=True)
        summary = update_summary(store, current_time(), run)
    assert not run.failed
    assert summary.outcome.startswith(f"stands: mena cannot be read: {key} is ")


def test_a_long_text_is_quoted_in_part(filled: redis.Redis) -> None:
    body = json.loads(filled.get(body_name(filled)) or b"")
    body["regime"]["label"] = "x" * 10_000
    filled.set(body_name(filled), json.dumps(body), keepttl=True)
    [line] = [x for x in command("status").output.splitlines() if x.startswith("mena: ")]
    assert len(line) < 400
    assert line.endswith(" - at `$.regime.label`)")


@pytest.mark.parametrize("value", ["1e400", "9" * 5000, "NaN"])
def test_a_number_that_cannot_be_shown_names_its_key(filled: redis.Redis, value: str) -> None:
    """In a field that no reader knows."""
    key = body_name(filled)
    body = {"unknown": "value", **json.loads(filled.get(key) or b"")}
    filled.set(key, json.dumps(body).replace('"value"', value, 1), keepttl=True)
    shown = command("show", "mena", "--json")
    assert shown.exit_code == 1
    assert f"mena: {key} is no" in shown.output


def test_a_run_of_another_region_names_the_damaged_one(filled: redis.Redis, folder: Path) -> None:
    key = body_name(filled)
    filled.set(key, "{}", keepttl=True)
    run = typed(folder, ("run", "europe", "--force"), dict(os.environ))
    assert run.returncode == 1
    assert "Traceback" not in run.stdout + run.stderr
    assert "written" in run.stdout
    assert f"the summary of all regions was not written: mena: {key} is not a snapshot" in (
        run.stdout
    )


def test_a_pointer_to_nothing_costs_one_line(filled: redis.Redis) -> None:
    for pointer in ("[/red]", "gone"):
        filled.set(keys.latest("mena"), pointer)
        for arguments in (["status"], ["show", "mena"]):
            found = command(*arguments)
            assert found.exit_code == 1
            assert f"mena: {keys.latest('mena')} names {pointer}, but" in found.output
    filled.set(keys.latest("mena"), NASTY)
    assert f"mena: {keys.latest('mena')} holds no snapshot id" in command("status").output
    filled.delete(keys.latest("mena"))
    filled.lpush(keys.latest("mena"), "x")
    assert "mena: intelligence:snapshot:v1:mena:latest: WRONGTYPE" in command("status").output


def test_texts_are_shown_as_they_are(filled: redis.Redis) -> None:
    body = json.loads(filled.get(body_name(filled)) or b"")
    places = [
        *("balance.pressures.0.description", "triggers.active.0.description", "actors.0.name"),
        *("evidence.0.summary", "narrative.situation.text", "meta.missing_inputs"),
        "triggers.active.0.id",
    ]
    for place in places:
        body = edited(body, place, [NASTY] if place == "meta.missing_inputs" else NASTY)
    filled.set(body_name(filled), json.dumps(body), keepttl=True)
    shown = command("show", "mena")
    assert shown.exit_code == 0, shown.output
    # A cell of a table is folded.
    assert shown.output.count(SHOWN) >= len(places) - 2
    status = command("status")
    assert status.exit_code == 0
    as_json = command("show", "mena", "--json")
    assert json.loads(as_json.output) == body
    for found in (shown, status, as_json):
        assert not STEERING & set(found.output)


ALERT = {
    "eventType": "regional_regime_shift",
    "severity": "high",
    "payload": {"title": NASTY, "region_id": "mena"},
    "publishedAt": 1_790_000_000_000,
}


@pytest.mark.parametrize(
    "message",
    [
        b"{",
        b"[1]",
        b"[" * 100_000,
        json.dumps({**ALERT, "publishedAt": "soon"}).encode(),
        json.dumps({**ALERT, "publishedAt": 10**300}).encode(),
        json.dumps({**ALERT, "publishedAt": 10**400}).encode(),
        json.dumps({**ALERT, "severity": "[/]"}).encode(),
        json.dumps({**ALERT, "payload": None}).encode(),
        json.dumps({**ALERT, "payload": {"title": "x"}}).encode(),
        json.dumps({**ALERT, "payload": {"title": 1, "region_id": NASTY}}).encode(),
    ],
)
def test_a_damaged_alert_costs_one_line(filled: redis.Redis, message: bytes) -> None:
    others = command("alerts")
    assert others.exit_code == 0
    # The next one that the relay takes.
    filled.rpush(keys.alert_queue, message)
    found = command("alerts")
    assert (found.exit_code, type(found.exception)) == (1, SystemExit)
    [line] = [line for line in found.output.splitlines() if "damaged" in line]
    assert line.startswith(f"{keys.alert_queue}: message 1 ")
    assert not STEERING & set(found.output)
    rows = [line for line in others.output.splitlines() if "│" in line]
    assert len([line for line in found.output.splitlines() if "│" in line]) == len(rows)


def test_an_alert_is_shown_as_it_is(filled: redis.Redis) -> None:
    filled.delete(keys.alert_queue)
    without = {name: value for name, value in ALERT.items() if name != "severity"}
    filled.lpush(keys.alert_queue, json.dumps(without), '{"eventType": "other"}', "{}")
    found = command("alerts")
    assert found.exit_code == 0
    assert SHOWN in found.output
    assert "1 regional alerts wait" in found.output
    assert not STEERING & set(found.output)


@pytest.fixture(scope="module")
def said_in(encoding: str) -> Iterator[How]:
    """Commands whose output is in that encoding."""
    with interpreter(encoding, PYTHONIOENCODING=encoding, PYTHONUTF8="0") as how:
        yield how


@pytest.mark.parametrize(
    "line",
    [
        *("run europe --force", "status", "show mena", "show mena --json", "alerts", "verify"),
        *("inputs status", "inputs load --samples --yes", "doctor", "acl", "--help"),
        "replay --from 2026-02-26 --to 2026-02-26",
    ],
)
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"], scope="module")
def test_output_in_any_encoding(filled: redis.Redis, folder: Path, line: str, said_in: How) -> None:
    body = json.loads(filled.get(body_name(filled)) or b"")
    body = edited(body, "evidence.0.summary", "Ormuz → détroit")
    filled.set(body_name(filled), json.dumps(body), keepttl=True)
    found = said_in(folder, tuple(line.split()), dict(os.environ))
    said = found.stdout + found.stderr
    assert "Traceback" not in said, said
    # A damaged body, for `verify` to find.
    assert found.returncode == (1 if line == "verify" else 0), said
    if line == "show mena":
        assert r"Ormuz \u2192 d" in said
    if line == "show mena --json":
        assert json.loads(found.stdout)["evidence"][0]["summary"] == "Ormuz → détroit"


def test_nothing_stored_does_not_agree(filled: redis.Redis) -> None:
    filled.flushall()
    found = command("verify")
    assert found.exit_code == 1
    assert found.output.count("nothing stored") == len(REGION_IDS)
    assert "agrees" not in found.output
