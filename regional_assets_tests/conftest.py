"""Servers for the tests: the embedded Valkey and a real Redis, each on a Unix socket in a folder
of its own, both gone at the end."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import redis

from regional_assets.store import embedded
from regional_assets.store.connection import connect
from regional_assets.store.settings import StoreSettings
from regional_assets.store.snapshot_store import SnapshotStore

# The same examples in every run; a finding becomes a test of its own.
hypothesis.settings.register_profile("same", derandomize=True, database=None)
hypothesis.settings.load_profile("same")

# No test may reach a server, a state folder or a Dagster instance that is not its own.
for name in ("REDIS_URL", "REGIONAL_STATE_DIR", "DAGSTER_HOME"):
    os.environ.pop(name, None)
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"


@pytest.fixture(scope="session")
def session_folder() -> Iterator[Path]:
    """A folder with a path short enough for Unix sockets."""
    folder = Path(tempfile.mkdtemp(prefix="ra-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def folder() -> Iterator[Path]:
    """The same, for one test."""
    folder = Path(tempfile.mkdtemp(prefix="ra-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def valkey_url(session_folder: Path) -> Iterator[str]:
    """The embedded server."""
    yield embedded.ensure_running(session_folder)
    embedded.stop(session_folder)


@pytest.fixture(scope="session")
def redis_url(session_folder: Path) -> Iterator[str]:
    """A real Redis server. Where none is installed its tests are skipped, in CI they fail."""
    binary = shutil.which("redis-server")
    if binary is None:
        if os.environ.get("CI"):
            pytest.fail("redis-server is not installed")
        pytest.skip("redis-server is not installed")
    path = session_folder / "redis.sock"
    arguments = f"--port 0 --unixsocket {path} --dir {session_folder} --save".split()
    server = subprocess.Popen([binary, *arguments, ""], stdout=subprocess.DEVNULL)
    with redis.Redis(unix_socket_path=str(path)) as client:
        deadline = time.monotonic() + 10
        while not _answers(client):
            assert time.monotonic() < deadline, "redis-server does not start"
            time.sleep(0.02)
    yield f"unix://{path}"
    server.terminate()
    server.wait()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


@pytest.fixture(params=["valkey", "redis"])
def server_url(request: pytest.FixtureRequest) -> str:
    """Each of the two servers, emptied."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    with redis.Redis.from_url(url) as client:
        client.flushall()
    return url


@pytest.fixture
def store(server_url: str, folder: Path) -> Iterator[SnapshotStore]:
    """A store on each of the two servers, emptied."""
    with _store(server_url, folder) as opened:
        yield opened


@pytest.fixture
def valkey_store(valkey_url: str, folder: Path) -> Iterator[SnapshotStore]:
    """A store on the embedded server, emptied."""
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()
    with _store(valkey_url, folder) as opened:
        yield opened


def settings(url: str, folder: Path, **changes: float) -> StoreSettings:
    """Settings that fail fast."""
    return StoreSettings(
        state_dir=folder,
        redis_url=url,
        **{"connect_timeout": 2.0, "answer_timeout": 2.0, **changes},  # type: ignore[arg-type]
    )


class _store(SnapshotStore):
    """A store that closes its connections."""

    def __init__(self, url: str, folder: Path) -> None:
        configured = settings(url, folder)
        super().__init__(connect(configured), configured)

    def __enter__(self) -> "SnapshotStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
