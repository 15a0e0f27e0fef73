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
    """Where it listens, on this machine, and its folder; the user is `dagster`."""

    home: Path
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
        self.run("createdb", *self._here, named)
        return replace(self, database=named)

    def connections(self) -> int:
        """How many there are to the database."""
        return int(
            self.query(
                f"select count(*) from pg_stat_activity where datname = '{self.database}'",
                database="postgres",
            )
        )

    def query(self, statement: str, database: str = "") -> str:
        """What the server answers."""
        named = f"--dbname={database or self.database}"
        return self.run("psql", *self._here, named, "--no-align", "-qt", "-c", statement)

    def start(self, how: str = "start") -> None:
        options = f"-p {self.port} -h 127.0.0.1 -k {self.home} -c fsync=off"
        log = f"-l{self.home / 'log'}"
        self.run("pg_ctl", how, self._data, f"-o{options}", log, "--wait")

    def stop(self) -> None:
        self.run("pg_ctl", "stop", self._data, "-mimmediate", "--wait")

    def run(self, program: str, *arguments: str) -> str:
        """What one of PostgreSQL's programs answers."""
        return subprocess.run(
            [*_as_user(), _programs() / program, *arguments],
            check=True,
            cwd=self.home,
            stdout=subprocess.PIPE,
            env={**os.environ, "PGPASSWORD": self.password},
            text=True,
        ).stdout

    @property
    def _here(self) -> tuple[str, ...]:
        return ("--host=127.0.0.1", f"--port={self.port}", "--username=dagster")

    @property
    def _data(self) -> str:
        return f"--pgdata={self.home / 'data'}"


def _as_user() -> Sequence[str]:
    """The server refuses to run as root; Debian's package brings this user."""
    as_user = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
    return as_user if os.geteuid() == 0 else ()


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
    home = folder / "postgres"
    home.mkdir()
    found = Postgres(home, free_port(), secrets.token_hex(8))
    secret = home / "password"
    secret.write_text(found.password)
    if _as_user():
        folder.chmod(0o711)
        for path in (home, secret):
            shutil.chown(path, "postgres", "postgres")
    how = ("--username=dagster", "--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync")
    found.run("initdb", found._data, *how)
    found.start()
    try:
        found.run("createdb", *found._here, found.database)
        yield found
    finally:
        found.stop()
