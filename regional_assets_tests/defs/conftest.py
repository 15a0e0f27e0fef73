"""An instance and a server for the runs of a test.

Where Dagster's databases are files, a run takes four times the processor time that it takes with
databases in memory. Tests have them in memory; a file whose tests need files overrides `instance`
and says why.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import redis

from regional_assets.redis_link import embedded
from regional_assets.runs.clock import current_time
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.built_in import NARRATED_REGIONS
from regional_assets_tests.support.model_server import SECRET, Models, configure
from regional_assets_tests.support.worlds import sample_values


@pytest.fixture
def state(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The state folder of the instance's runs; its embedded server, if one was started, is gone at
    the end."""
    monkeypatch.setenv("REGIONAL_STATE_DIR", str(folder / "state"))
    yield folder / "state"
    embedded.stop(folder / "state")


@pytest.fixture
def instance(state: Path, folder: Path) -> Iterator[dg.DagsterInstance]:
    """An instance of this process alone."""
    with dg.DagsterInstance.ephemeral(str(folder)) as temporary:
        yield temporary


@pytest.fixture
def instance_in_files(state: Path, new_home: Path, folder: Path) -> Iterator[dg.DagsterInstance]:
    """An instance with its databases in `folder`."""
    shutil.copytree(new_home, folder, dirs_exist_ok=True)
    with dg.DagsterInstance.local_temp(str(folder)) as temporary:
        yield temporary


@pytest.fixture
def client(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.Redis]:
    """The server that the runs use, with the sample inputs."""
    monkeypatch.setenv("REDIS_URL", valkey_url)
    with redis.Redis.from_url(valkey_url) as connected:
        connected.flushall()
        connected.mset(dict(sample_values(current_time())))
        yield connected


@pytest.fixture
def told(
    valkey_store: SnapshotStore,
    valkey_url: str,
    models: Models,
    monkeypatch: pytest.MonkeyPatch,
) -> redis.Redis:
    """The server that the runs use, with snapshots of all regions, and a good language model."""
    monkeypatch.setenv("REDIS_URL", valkey_url)
    now = current_time()
    valkey_store.write_inputs(sample_values(now))
    take_snapshots(valkey_store, [*NARRATED_REGIONS, "global"], now)
    configure(monkeypatch, models.environment("good", key=SECRET))
    return valkey_store.client
