"""`regional-assets ui`: the real webserver, daemon and code server."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from regional_assets_tests.support.servers import free_port, stop_group
from regional_assets_tests.support.waiting import PATIENCE

COMMAND = (sys.executable, "-m", "regional_assets.cli.main")
# As a script starts what runs in the background: SIGINT is ignored.
IN_BACKGROUND = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")
_SHORT_ROUNDS = Path(__file__).with_name("short_rounds")


def with_short_rounds(environment: dict[str, str]) -> dict[str, str]:
    """An environment in which Dagster's daemon waits less between its rounds."""
    path = [str(_SHORT_ROUNDS), environment.get("PYTHONPATH", "")]
    return environment | {"PYTHONPATH": os.pathsep.join(filter(None, path))}


@contextmanager
def serving_ui(
    environment: dict[str, str], folder: Path
) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """The port of the web interface, which answers, and the process that leads the session. It is
    started as a script starts what runs in the background, and has to end by SIGTERM."""
    port = free_port()
    log = folder / "ui.log"
    with log.open("w") as said:
        server = subprocess.Popen(
            [*IN_BACKGROUND, *COMMAND, "ui", "--port", str(port)],
            env=with_short_rounds({**os.environ, **environment}),
            cwd=folder,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        wait_for(port, log)
        yield port, server
        if server.poll() is None:
            server.terminate()
            server.wait(PATIENCE)
    finally:
        if server.poll() is None:
            stop_group(server)


def wait_for(port: int, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"the UI did not start:\n{log.read_text()}")


def ask(port: int, query: str, **variables: object) -> str:
    """The web interface's answer to a question in GraphQL, as JSON."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        json.dumps({"query": query, "variables": variables}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return str(answer.read().decode())
