"""Servers for the tests: the embedded Valkey and a real Redis, each on a Unix socket in a folder
of its own, both gone at the end."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import hypothesis
import pytest
import redis

from regional_assets.settings import StoreSettings
from regional_assets.store import access, embedded
from regional_assets.store.connection import connect
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.servers import redis_server

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
    """The embedded server, where tests may do what its default user may not."""
    url = embedded.ensure_running(session_folder)
    with redis.Redis.from_url(url, username=embedded.ADMIN) as admin:
        admin.execute_command("ACL", "SETUSER", "default", "allcommands")
    yield url
    embedded.stop(session_folder)


@pytest.fixture(scope="session")
def redis_url(session_folder: Path) -> Iterator[str]:
    """A real Redis server. Where none is installed its tests are skipped, in CI they fail."""
    with redis_server(session_folder) as url:
        with redis.Redis.from_url(url) as admin:
            for rule in access.rules():
                admin.execute_command(*rule.split())
        yield url


@pytest.fixture(params=["valkey", "redis"])
def server_url(request: pytest.FixtureRequest) -> str:
    """Each of the two servers, emptied."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    with redis.Redis.from_url(url) as client:
        client.flushall()
    return url


@pytest.fixture
def store(server_url: str, folder: Path) -> Iterator[SnapshotStore]:
    """A store on each of the two servers, emptied; on Redis the project has the rights of the
    writer that `regional-assets acl` prints."""
    kind = _writer_store if server_url.endswith("redis.sock") else _store
    with kind(server_url, folder) as opened:
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


class _writer_store(_store):
    """A store whose project code is the user `regional-writer`, while the tests around it, which
    arrange, spoil and look, are one who may do everything."""

    @property
    def client(self) -> redis.Redis:
        caller: str = sys._getframe(1).f_globals["__name__"]
        return self._writer if caller.startswith("regional_assets.") else self._everything

    @client.setter
    def client(self, everything: redis.Redis) -> None:
        self._everything = everything

    def __init__(self, url: str, folder: Path) -> None:
        user = f"unix://regional-writer:{access.PASSWORD}@"
        self._writer = connect(settings(url.replace("unix://", user), folder))
        # Logged in, so that tests that count round trips find both kinds of store the same.
        self._writer.ping()
        super().__init__(url, folder)

    def __exit__(self, *_: object) -> None:
        self._writer.close()
        self._everything.close()

    def write_inputs(self, values: Mapping[str, bytes]) -> None:
        """As the inputs' own writers do."""
        self._everything.mset(dict(values))
