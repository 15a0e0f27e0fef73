"""The password is nowhere to be read after failures: not in what commands print, not in Dagster's
events, logs and databases, not in the arguments of processes."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
import redis
import trustme

from regional_assets.runs.clock import current_time
from regional_assets_tests.support.processes import program
from regional_assets_tests.support.servers import free_port, redis_server, stop_group
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.ui import ask
from regional_assets_tests.support.worlds import sample_values

PASSWORD = "S3same:0pen/the#d00r@now"
READABLE = (PASSWORD, quote(PASSWORD, safe=""), "S3same", "d00r")


def given_away(*texts: str, folder: Path) -> list[str]:
    """Where the password, or a part of it, is to be read: texts by number, files by name."""
    files = {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    said = {f"text {number}": text.encode() for number, text in enumerate(texts)} | files
    return [name for name, content in said.items() for w in READABLE if w.encode() in content]


def arguments() -> str:
    """The command lines of all processes."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found.append((process / "cmdline").read_text(errors="replace"))
        except OSError:
            continue
    return "\n".join(found)


@contextmanager
def wrong_password(folder: Path) -> Iterator[str]:
    with redis_server(folder, "--requirepass", "another") as url:
        yield url.replace("unix://", f"unix://:{quote(PASSWORD, safe='')}@")


@contextmanager
def quoted_login(folder: Path) -> Iterator[str]:
    """This server knows no AUTH and quotes what follows it."""
    with redis_server(folder, "--rename-command", "AUTH", "") as url:
        yield url.replace("unix://", f"unix://user:{quote(PASSWORD, safe='')}@")


@contextmanager
def nobody_there(folder: Path) -> Iterator[str]:
    yield f"redis://user:{quote(PASSWORD, safe='')}@127.0.0.1:{free_port()}/0"


@contextmanager
def certificate_of_somebody_else(folder: Path) -> Iterator[str]:
    ca, pem = trustme.CA(), folder / "server.pem"
    ca.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(pem)
    ca.cert_pem.write_to_path(folder / "ca.pem")
    port = free_port()
    options = f"--tls-port {port} --tls-cert-file {pem} --tls-key-file {pem}"
    with redis_server(folder, *options.split(), "--tls-ca-cert-file", str(folder / "ca.pem")):
        yield f"rediss://:{quote(PASSWORD, safe='')}@localhost:{port}/0"


@contextmanager
def refused_commits(folder: Path) -> Iterator[str]:
    with redis_server(folder) as url:
        with redis.Redis.from_url(url) as client:
            client.acl_setuser(
                "limited",
                enabled=True,
                passwords=[f"+{PASSWORD}"],
                keys=["*"],
                commands=["+@all", "-lpush"],
            )
            client.mset(dict(sample_values(current_time())))
            client.set(keys.index("europe"), "wrong")
        yield url.replace("unix://", f"unix://limited:{quote(PASSWORD, safe='')}@")


@contextmanager
def no_address(folder: Path) -> Iterator[str]:
    yield f"redis://:{PASSWORD}@localhost:6379/0"


Failure = Callable[[Path], AbstractContextManager[str]]
FAILURES: dict[Failure, str] = {
    wrong_password: "refuses the login",
    quoted_login: "knows no logins",
    nobody_there: "does not answer",
    certificate_of_somebody_else: "has a certificate that is not accepted",
    refused_commits: "this user may not LPUSH",
    no_address: "REDIS_URL is not a Redis address",
}


@pytest.fixture
def project(folder: Path) -> Path:
    """Where the project runs and Dagster keeps everything; the server is elsewhere."""
    made = folder / "project"
    made.mkdir()
    return made


def environment(project: Path, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "REGIONAL_STATE_DIR": str(project),
        "REGIONAL_RETRIES": "0",
        "REGIONAL_CONNECT_TIMEOUT": "2",
        **more,
    }


def test_what_is_said_and_kept(folder: Path, project: Path) -> None:
    seen = ""
    with ExitStack() as running:
        urls = []
        for failure in FAILURES:
            place = folder / failure.__name__
            place.mkdir()
            urls.append(running.enter_context(failure(place)))
        stdout = running.enter_context((project / "stdout.txt").open("w"))
        stderr = running.enter_context((project / "stderr.txt").open("w"))
        started = subprocess.Popen(
            [sys.executable, "-m", "regional_assets_tests.support.failing"],
            env=environment(project, FAILING_URLS="\n".join(urls)),
            cwd=project,
            stdout=stdout,
            stderr=stderr,
        )
        running.enter_context(program(started))
        while started.poll() is None:
            seen += arguments()
            time.sleep(0.25)
    said = (project / "stdout.txt").read_text()
    assert started.returncode == 0, (project / "stderr.txt").read_text()
    assert "Traceback" not in said
    kept = b"".join(file.read_bytes() for file in project.rglob("*.db*"))
    for words in FAILURES.values():
        assert words in said
        # The grep below looks where the failures are.
        assert words.encode() in kept
    assert given_away(seen, folder=project) == []


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="/proc is Linux's")
def test_a_run_from_the_ui(folder: Path, project: Path) -> None:
    """Webserver, daemon, code server and the run's own process."""
    port = free_port()
    with wrong_password(folder) as url, (project / "ui.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "regional_assets.cli.main", "ui", "--port", str(port)],
            env=environment(project, REDIS_URL=url),
            cwd=project,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            seen, told = _launch(port)
            listening = _listening_on(port)
        finally:
            stop_group(server)
    assert listening == {"127.0.0.1"}
    for process in ("dagster_webserver", "dagster\0api\0grpc", "dagster._daemon", str(project)):
        assert process in seen
    assert "refuses the login" in told
    assert given_away(seen, told, folder=project) == []


LAUNCH = """
mutation Launch {
  launchRun(executionParams: {
    selector: {repositoryLocationName: "regional_assets.definitions",
      repositoryName: "__repository__", jobName: "regional_snapshot_job"}
    executionMetadata: {tags: [{key: "dagster/partition", value: "mena"}]}
  }) { ... on LaunchRunSuccess { run { runId } } }
}
"""
# A socket's state in /proc/net/tcp.
LISTEN = "0A"
STATUS = "query Status($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }"
EVENTS = """
query Events($run: ID!) {
  logsForRun(runId: $run) {
    ... on EventConnection {
      events {
        ... on MessageEvent { message }
        ... on ExecutionStepFailureEvent {
          error { message stack cause { message stack } }
          failureMetadata { metadataEntries { label description } }
        }
        ... on RunFailureEvent { error { message stack } }
      }
    }
  }
}
"""


def _launch(port: int) -> tuple[str, str]:
    """Launches a run and waits for its end; the arguments of all processes meanwhile, and all
    that the web interface tells of the run."""
    deadline = time.monotonic() + 180
    run = seen = status = ""
    while "FAILURE" not in status:
        assert time.monotonic() < deadline, f"the run did not end: {status}"
        time.sleep(0.5)
        seen += arguments()
        try:
            run = run or json.loads(ask(port, LAUNCH))["data"]["launchRun"]["run"]["runId"]
            status = ask(port, STATUS, run=run)
        except (OSError, KeyError) as error:  # It still starts.
            status = str(error)
    return seen, ask(port, EVENTS, run=run)


def _listening_on(port: int) -> set[str]:
    """The addresses at which anybody listens on the port."""
    found = set()
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            address, number = row.split()[1].split(":")
            if int(number, 16) == port and row.split()[3] == LISTEN:
                is_local = address == socket.inet_aton("127.0.0.1")[::-1].hex().upper()
                found.add("127.0.0.1" if is_local else address)
    return found
