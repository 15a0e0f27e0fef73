"""Real Redis servers for the tests, each in a folder of its own."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def emptied(url: str) -> str:
    """The server's address; all that it held is gone."""
    with redis.Redis.from_url(url) as client:
        client.flushall()
    return url


def stop_group(leader: subprocess.Popen[bytes]) -> None:
    """Ends a process that leads a session, and all that it started, as Ctrl-C does; what does not
    end by that is killed."""
    for number in (signal.SIGINT, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(leader.pid, number)
        with suppress(subprocess.TimeoutExpired):
            leader.wait(30)


def redis_program() -> str:
    """The server that REGIONAL_TEST_SERVER names, or else Debian's redis-server. Where none is
    installed the test is skipped, in CI it fails."""
    program = os.environ.get("REGIONAL_TEST_SERVER") or shutil.which("redis-server")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("redis-server is not installed")
        pytest.skip("redis-server is not installed")
    return program


@contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[str]:
    """A Redis server with these options besides a Unix socket in `folder`; the address of that
    socket."""
    program = redis_program()
    path = folder / "redis.sock"
    base = ["--port", "0", "--unixsocket", str(path), "--dir", str(folder), "--save", ""]
    server = subprocess.Popen([program, *base, *options], stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(unix_socket_path=str(path), retry=Retry(NoBackoff(), 0)) as client:
            deadline = time.monotonic() + 10
            while not _answers(client):
                assert time.monotonic() < deadline, "redis-server does not start"
                assert server.poll() is None, "redis-server ended"
                time.sleep(0.02)
        yield f"unix://{path}"
    finally:
        server.terminate()
        server.wait()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.AuthenticationError:
        return True
    except redis.ConnectionError:
        return False


def calls(client: redis.Redis) -> dict[str, int]:
    """Commands the server ran since its statistics were reset."""
    stats = client.info("commandstats")
    return {name.removeprefix("cmdstat_"): found["calls"] for name, found in stats.items()}
