"""Servers for the tests: the embedded Valkey and a real Redis, each on a Unix socket in a folder
of its own, both gone at the end."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import hypothesis
import pytest
import redis

from regional_assets.redis_link import embedded
from regional_assets.settings import DAGSTER_HOME, INPUT_PREFIX, KEY_PREFIX, REDIS_URL, STATE_DIR
from regional_assets.store import access
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.built_in import MODEL
from regional_assets_tests.support.clusters import kind_of_store
from regional_assets_tests.support.model_server import Models, serving
from regional_assets_tests.support.servers import emptied, redis_server
from regional_assets_tests.support.stores import OpenStore, keys

# The same examples in every run; a finding becomes a test of its own. A machine that is busy with
# something else is no finding.
hypothesis.settings.register_profile(
    "same",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("same")

# No test may reach a server, a state folder or a Dagster instance that is not its own.
for setting in (REDIS_URL, KEY_PREFIX, INPUT_PREFIX, STATE_DIR, DAGSTER_HOME):
    os.environ.pop(setting.name, None)
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
# Of the terminal that started the tests; tables are as wide as in a pipe.
os.environ.pop("COLUMNS", None)
# Tests start a hundred interpreters; each would compile all of the project again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# The files that take longest begin, so that none is left over at the end. Some wait most of their
# time, for intervals of Dagster's daemon or for a failover; others, between them, use the cores.
LONGEST = (
    "defs/test_supervisor.py",
    "defs/test_browser.py",
    "deployment/test_workers.py",
    "defs/test_dead_runs.py",
    "deployment/test_sentinel.py",
    "board/test_page.py",
    "cli/test_damaged.py",
    "dagster_kit/test_backfill.py",
    "cli/test_cli.py",
    "deployment/test_cluster.py",
    "deployment/test_postgres.py",
    "security/test_secrets.py",
    "faults/test_worker_killed.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tests = Path(__file__).parent
    order = {tests / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


def pytest_xdist_auto_num_workers() -> int:
    """For `-n auto`: more than there are cores, because of the files that wait."""
    return (os.cpu_count() or 1) + 2


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder with a path short enough for Unix sockets. It is in memory where there is room:
    Dagster has each event of a run written through to the disk."""
    memory = Path("/dev/shm")
    has_room = memory.is_dir() and shutil.disk_usage(memory).free > 2**30
    folder = Path(tempfile.mkdtemp(prefix="ra-", dir=memory if has_room else "/tmp"))
    try:
        yield folder
    finally:
        # Also what a command started there.
        for process_file in folder.rglob("valkey.pid"):
            embedded.stop(process_file.parent.parent)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def session_folder() -> Iterator[Path]:
    """Such a folder for all tests of a process."""
    with short_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def new_home(session_folder: Path) -> Path:
    """The folder of an instance that nobody has used: to make its databases takes longer than most
    tests, to copy them a moment."""
    home = session_folder / "new-home"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)):
        pass
    return home


@pytest.fixture
def folder() -> Iterator[Path]:
    """Such a folder for one test."""
    with short_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def valkey_url(session_folder: Path) -> str:
    """The embedded server, where tests may do what its default user may not."""
    url = embedded.ensure_running(session_folder)
    with redis.Redis.from_url(url, username=embedded.ADMIN) as admin:
        admin.execute_command("ACL", "SETUSER", "default", "allcommands")
    return url


@pytest.fixture(scope="session")
def redis_url(session_folder: Path) -> Iterator[str]:
    """A real Redis server. Where none is installed its tests are skipped, in CI they fail."""
    with redis_server(session_folder) as url:
        with redis.Redis.from_url(url) as admin:
            for rule in access.rules(keys, MODEL):
                admin.execute_command(*rule.split())
        yield url


@pytest.fixture(params=["valkey", "redis"])
def server_url(request: pytest.FixtureRequest) -> str:
    """Each of the two servers, emptied."""
    return emptied(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def store(server_url: str, folder: Path) -> Iterator[SnapshotStore]:
    """A store on each server of `server_url`."""
    with kind_of_store(server_url)(server_url, folder) as opened:
        yield opened


@pytest.fixture
def valkey_store(valkey_url: str, folder: Path) -> Iterator[SnapshotStore]:
    """A store on the embedded server, emptied."""
    with OpenStore(emptied(valkey_url), folder) as opened:
        yield opened


@pytest.fixture
def impatient(models: Models) -> None:
    """Providers are tried again at once, and by all regions at once."""
    models.pace |= {"backoff": 0.01, "head_start": 0.1}


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Iterator[Models]:
    for name in os.environ:
        if name.startswith(("REGIONAL_NARRATIVE_", "OPENAI_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    with serving() as running:
        yield running
