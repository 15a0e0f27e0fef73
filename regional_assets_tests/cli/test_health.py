"""`regional-assets health`, as a probe calls it."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from regional_assets.cli.doctor import examine
from regional_assets.cli.main import main
from regional_assets.intelligence.timing import HOUR_MS
from regional_assets.runs.clock import current_time
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store.diagnosis import Finding
from regional_assets.store.health import HealthRecord, Problem, write_record
from regional_assets.store.last_runs import record_failures
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.built_in import REGION_IDS
from regional_assets_tests.support.commands import Command
from regional_assets_tests.support.stores import OpenStore
from regional_assets_tests.support.worlds import sample_values


@pytest.fixture
def store(
    valkey_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SnapshotStore]:
    """A server on which all regions were written a minute ago; the command uses it."""
    monkeypatch.setenv("REDIS_URL", valkey_url)
    monkeypatch.setenv("REGIONAL_STATE_DIR", str(folder))
    monkeypatch.chdir(folder)
    with OpenStore(valkey_url, folder) as store:
        store.client.flushall()
        now = current_time() - 60_000
        store.write_inputs(sample_values(now))
        take_snapshots(store, REGION_IDS, now)
        yield store


def health(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["health", *arguments])


def test_ok(store: SnapshotStore) -> None:
    said = health()
    assert said.output == "ok: 8 regions, the oldest confirmed 1 min ago\n"
    assert said.exit_code == 0
    found = json.loads(health("--json").output)
    assert (found["status"], found["problems"], found["inputs"]) == ("ok", [], {})
    assert list(found["regions"]) == list(REGION_IDS)
    mena: dict[str, Any] = found["regions"]["mena"]
    assert 60 <= mena["age_s"] < 3600
    assert mena["last_outcome"] == "written"
    assert mena["failing_since"] is None
    assert not mena["stale"]


def test_degraded(store: SnapshotStore) -> None:
    record_failures(store, current_time(), "r", {"europe": "no\x1b[31m room"})
    now = current_time()
    write_record(store, "daemon", HealthRecord(now, [Problem("no tick", None, "look")]))
    said = health()
    assert said.exit_code == 1
    assert said.output.startswith("degraded: europe: failed: no")
    assert said.output.endswith("(and 1 more: `regional-assets health --json`)\n")
    assert "\x1b" not in said.output
    found = json.loads(health("--json").output)
    assert [problem["what"] for problem in found["problems"]][1] == "no tick"
    assert set(found["problems"][0]) == {"what", "since", "advice"}


def test_down_when_no_region_is_young(store: SnapshotStore) -> None:
    store.client.flushall()
    take = current_time() - 13 * HOUR_MS
    store.write_inputs(sample_values(take))
    take_snapshots(store, REGION_IDS, take)
    said = health()
    assert said.exit_code == 2
    assert said.output.count("\n") == 1
    assert "neither written nor confirmed for 12 hours" in said.output


def test_down_without_an_answer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("REDIS_URL", "redis://user:secret@127.0.0.1:1")
    said = health()
    assert said.exit_code == 2
    assert said.output.startswith("down: Redis at 127.0.0.1:1/0 does not answer")
    assert "secret" not in said.output
    assert json.loads(health("--json").output)["status"] == "down"


def test_it_starts_no_embedded_server(command: Command) -> None:
    said = command("health")
    assert said.returncode == 2
    assert said.stdout == "down: the embedded server does not run; see `regional-assets doctor`\n"
    assert command("server", "status").stdout == "not running\n"


def test_doctor_says_the_same(store: SnapshotStore) -> None:
    def finding() -> Finding:
        found = {f.check: f for f in examine(dict(os.environ), current_time)}
        return found["health"]

    assert finding().verdict == "ok"
    record_failures(store, current_time(), "r", {"europe": "no room"})
    europe = finding()
    assert (europe.verdict, europe.advice) == ("problem", "regional-assets run europe")
    assert europe.found.startswith("europe: failed: no room (since ")
