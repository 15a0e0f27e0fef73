"""A PostgreSQL server of a test's own."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from regional_assets_tests.support.servers import free_port


@dataclass(frozen=True)
class Postgres:
    """Where it listens, on this machine; the user is `dagster`."""

    port: int
    password: str
    database: str = "dagster"

    @property
    def environment(self) -> dict[str, str]:
        """As deploy/dagster.yaml wants it."""
        return {
            "DAGSTER_POSTGRES_HOST": "127.0.0.1",
            "DAGSTER_POSTGRES_PORT": str(self.port),
            "DAGSTER_POSTGRES_DB": self.database,
            "DAGSTER_POSTGRES_USER": "dagster",
            "DAGSTER_POSTGRES_PASSWORD": self.password,
        }

    def with_new_database(self) -> "Postgres":
        """The same server with another database, which is empty."""
        named = f"dagster_{secrets.token_hex(4)}"
        where = ("--host=127.0.0.1", f"--port={self.port}", "--username=dagster")
        subprocess.run(
            [_programs() / "createdb", *where, named],
            check=True,
            env={**os.environ, "PGPASSWORD": self.password},
        )
        return replace(self, database=named)


def _programs() -> Path:
    """The folder of its programs, which Debian keeps out of PATH. Where none is installed the test
    is skipped, in CI it fails."""
    found = shutil.which("initdb") or next(
        iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), None
    )
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is not installed")
        pytest.skip("PostgreSQL is not installed")
    return Path(found).resolve().parent


@contextmanager
def postgres_server(folder: Path) -> Iterator[Postgres]:
    """A server with its data in `folder` and an empty database."""
    programs = _programs()
    # It refuses to run as root; Debian's package brings this user.
    as_user = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
    before: Sequence[str] = as_user if os.geteuid() == 0 else ()
    home = folder / "postgres"
    home.mkdir()
    password = secrets.token_hex(8)
    (home / "password").write_text(password)
    if before:
        folder.chmod(0o711)
        for path in (home, home / "password"):
            shutil.chown(path, "postgres", "postgres")
    found = Postgres(free_port(), password)
    data = home / "data"

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [*before, programs / program, *arguments],
            check=True,
            cwd=home,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PGPASSWORD": password},
        )

    run(
        "initdb",
        f"--pgdata={data}",
        "--username=dagster",
        "--auth=scram-sha-256",
        f"--pwfile={home / 'password'}",
        "--no-sync",
    )
    options = f"-p {found.port} -h 127.0.0.1 -k {home} -c fsync=off"
    run("pg_ctl", "start", f"-D{data}", f"-o{options}", f"-l{home / 'log'}", "--wait")
    try:
        run("createdb", f"--host={home}", f"--port={found.port}", "--username=dagster", "dagster")
        yield found
    finally:
        run("pg_ctl", "stop", f"-D{data}", "-mimmediate", "--wait")
