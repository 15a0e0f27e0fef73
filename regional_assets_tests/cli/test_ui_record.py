"""What the supervisor of `ui` puts on record, and takes away at an orderly end."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from regional_assets.cli.ui import StoreWatch
from regional_assets.dagster_kit.supervisor import Fault
from regional_assets.redis_link import embedded
from regional_assets.settings import StoreSettings
from regional_assets.store.health import HealthRecord, read_health
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.built_in import MODEL
from regional_assets_tests.support.servers import free_port


@pytest.fixture
def settings(folder: Path) -> Iterator[StoreSettings]:
    yield StoreSettings(folder)
    embedded.stop(folder)


def records(settings: StoreSettings) -> dict[str, HealthRecord]:
    store = SnapshotStore.open(MODEL, settings)
    try:
        return dict(read_health(store).records)
    finally:
        store.client.close()


def test_what_it_saw_is_on_record_until_an_orderly_end(
    settings: StoreSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = StoreWatch(settings, MODEL)
    watch.look([])
    assert "the embedded server was gone and is started anew" in capsys.readouterr().err
    assert not records(settings)["supervisor"].problems
    watch.look([Fault("the daemon is gone", 1_790_000_000.0)])
    [problem] = records(settings)["supervisor"].problems
    assert problem.what == "the daemon is gone"
    assert problem.since == "2026-09-21T14:13:20+00:00"
    watch.end()
    assert records(settings) == {}


def test_the_embedded_server_is_brought_back(
    settings: StoreSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = StoreWatch(settings, MODEL)
    watch.look([])
    process = int((settings.state_dir / "valkey" / "valkey.pid").read_text())
    os.kill(process, signal.SIGSTOP)
    watch.look([])
    assert "did not answer and is started anew" in capsys.readouterr().err
    assert int((settings.state_dir / "valkey" / "valkey.pid").read_text()) != process


def test_a_server_that_is_away_costs_a_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"redis://:pass-word@127.0.0.1:{free_port()}"
    watch = StoreWatch(StoreSettings(folder, url, retries=0), MODEL)
    watch.look([])
    said = capsys.readouterr().err
    assert said.startswith("regional-assets ui: no record for `regional-assets health`: Redis at")
    assert "pass-word" not in said
    watch.end()
