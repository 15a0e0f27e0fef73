"""A server that no run can work with is named as such by every command, whichever comes first."""

import json
import re
import socketserver
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
from click.testing import CliRunner

from regional_assets.cli.main import main
from regional_assets_tests.support.servers import free_port, redis_program, redis_server
from regional_assets_tests.support.waiting import eventually
from regional_assets_tests.support.worlds import sample_values

READING = ("status", "show mena", "inputs status", "run mena")
LOADING = "inputs load --samples --yes"
WRITING = ("run mena", LOADING)
OF_ONE_KEY = ("history mena", "brief show mena")
ALL = (*READING, *OF_ONE_KEY, LOADING, "verify", "alerts")


@pytest.fixture
def said(folder: Path) -> Callable[[str, str], str]:
    """What a command says, on one line, of the server with this address."""

    def invoke(command: str, url: str) -> str:
        environment = {
            "REDIS_URL": url,
            "REGIONAL_RETRIES": "1",
            "REGIONAL_STATE_DIR": str(folder / "state"),
            "DAGSTER_HOME": str(folder / "state" / "dagster"),
            "COLUMNS": "1000",
        }
        result = CliRunner().invoke(main, command.split(), env=environment)
        assert (result.exit_code, type(result.exception)) == (1, SystemExit), result.output
        return " ".join(result.output.split())

    return invoke


@contextmanager
def sentinel(folder: Path) -> Iterator[str]:
    port = free_port()
    configuration = folder / "sentinel.conf"
    configuration.write_text(f"port {port}\nbind 127.0.0.1\ndir {folder}\n")
    process = subprocess.Popen(
        [redis_program(), str(configuration), "--sentinel"], stdout=subprocess.DEVNULL
    )
    try:
        with redis.Redis(port=port) as client:
            eventually(lambda: answers(client))
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def test_a_forgotten_password(folder: Path, said: Callable[[str, str], str]) -> None:
    with redis_server(folder, "--requirepass", "x") as url:
        for command in (*ALL, "doctor"):
            assert re.search(
                r"Redis at unix://\S+ wants a password: put it in REDIS_URL", said(command, url)
            ), command


def test_a_sentinel(folder: Path, said: Callable[[str, str], str]) -> None:
    with sentinel(folder) as url:
        for command in ALL:
            assert "is a Sentinel, which holds no data: name the Sentinels" in said(command, url)
        assert "a Sentinel, which holds no data" in said("doctor", url)


@pytest.mark.parametrize("slots", ["none", "all", "of another node"])
def test_a_node_of_a_cluster(folder: Path, said: Callable[[str, str], str], slots: str) -> None:
    with ExitStack() as running:
        clients = []
        for name in ("one", "two"):
            (folder / name).mkdir()
            options = f"--cluster-enabled yes --bind 127.0.0.1 --port {free_port()}"
            more = ("--cluster-port", str(free_port()), "--cluster-require-full-coverage", "no")
            url = running.enter_context(redis_server(folder / name, *options.split(), *more))
            clients.append(running.enter_context(redis.Redis.from_url(url)))
        here, other = clients
        if slots == "all":
            here.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        if slots == "of another node":
            other.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
            there = [other.config_get(name)[name] for name in ("port", "cluster-port")]
            here.execute_command("CLUSTER MEET", "127.0.0.1", *there)
        assigned = "0" if slots == "none" else "16384"
        eventually(lambda: cluster(here)["cluster_slots_assigned"] == assigned)
        eventually(lambda: slots == "none" or cluster(here)["cluster_state"] == "ok")
        url = f"unix://{here.get_connection_kwargs()['path']}"
        for command in READING if slots == "all" else ALL:
            if slots == "all" and command == "show mena":
                continue  # One key alone is in one slot, and there is none yet.
            assert "it is part of a cluster, where the keys of one commit" in said(command, url)
        if slots == "of another node":
            assert re.search(r"refuses: \d+ 127\.0\.0\.1:\d+: it is part", said("alerts", url))


def cluster(client: Any) -> dict[str, str]:
    return dict(client.execute_command("CLUSTER INFO"))


def test_a_server_without_commands_that_are_needed(
    folder: Path, said: Callable[[str, str], str]
) -> None:
    """As Redis before 7.0 has no EVALSHA_RO."""
    with redis_server(folder, "--rename-command", "EVALSHA_RO", "") as url:
        for command in READING:
            assert (
                "refuses: unknown command 'EVALSHA_RO': use Redis 7.0 or newer, or Valkey"
                in said(command, url)
            )


def test_a_server_that_lacks_replicas(folder: Path, said: Callable[[str, str], str]) -> None:
    with redis_server(folder) as url:
        with redis.Redis.from_url(url) as client:
            client.mset(dict(sample_values()))
            client.config_set("min-replicas-to-write", 1)
        for command in WRITING:
            assert "NOREPLICAS Not enough good replicas to write: it wants more" in said(
                command, url
            )


def test_a_replica(folder: Path, said: Callable[[str, str], str]) -> None:
    (folder / "primary").mkdir()
    port = free_port()
    primary = redis_server(folder / "primary", "--port", str(port), "--bind", "127.0.0.1")
    with primary, redis_server(folder, "--replicaof", f"127.0.0.1 {port}") as url:
        with redis.Redis.from_url(url) as client:
            eventually(lambda: client.info("replication")["master_link_status"] == "up")
        for command in WRITING:
            assert "it is a replica: put the address of its primary in REDIS_URL" in said(
                command, url
            )


@contextmanager
def quoting(answer: Callable[[bytes], bytes]) -> Iterator[str]:
    """The place of a server that answers to whatever it receives."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(answer(self.request.recv(1 << 16)))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_something_else_than_redis(folder: Path, said: Callable[[str, str], str]) -> None:
    """Like a web server, it quotes the line that it does not understand."""

    def answer(received: bytes) -> bytes:
        return b"HTTP/1.1 400 Bad Request: " + received.replace(b"\r\n", b" ") + b"\r\n"

    with quoting(answer) as place:
        for command in (*ALL, "doctor"):
            heard = said(command, f"redis://:{SECRET}@{place}")
            assert f"what answers at {place}/0 is no Redis server" in heard
            assert SECRET[:4] not in heard


@pytest.mark.parametrize(
    "secret", ["Per%41cent/Zsec", 'quo"te\\Zsec', "tab\tnew\nZsec", "snow\u2603\u00e9Zsec"]
)
@pytest.mark.parametrize(
    "form",
    [
        lambda words: words.replace(b"\r\n", b" "),
        lambda words: json.dumps(words.decode().split("\r\n")).encode(),
        lambda words: repr(words).encode(),
        lambda words: words.replace(b"\r\n", b" ").upper(),
        lambda words: b"..." + words.replace(b"\r\n", b" ")[-9:],
        lambda words: b"MOVED 3 " + words.split(b"\r\n")[-2] + b":x",
    ],
    ids=["as it is", "JSON", "Python", "upper case", "the end", "a redirection"],
)
def test_a_proxy_that_quotes_the_password(
    said: Callable[[str, str], str], secret: str, form: Callable[[bytes], bytes]
) -> None:
    def answer(received: bytes) -> bytes:
        return b"-" + form(received).replace(b"\n", b" ") + b"\r\n"

    with quoting(answer) as place:
        heard = said("status", f"redis://:{quote(secret, safe='')}@{place}")
    assert place in heard
    assert "***" in heard
    assert not re.search("zsec|cent|quo|snow|tab", heard, re.IGNORECASE)


SECRET = "S3cret-that-nobody-may-see"


@pytest.mark.parametrize("secret", [SECRET, "Tw0 words/and#more", "l0ng" + "x" * 300])
def test_a_server_that_quotes_the_password(
    folder: Path, said: Callable[[str, str], str], secret: str
) -> None:
    """Redis itself quotes up to 128 characters of what follows a command that it does not know."""
    with redis_server(folder, "--rename-command", "AUTH", "") as url:
        with redis.Redis.from_url(url, password=secret, protocol=2) as client:
            with pytest.raises(redis.ResponseError) as quoted:
                client.ping()
            assert secret[:100] in str(quoted.value)
        address = url.replace("unix://", f"unix://:{quote(secret, safe='')}@")
        for command in (*ALL, "doctor"):
            heard = said(command, address)
            assert "knows no logins (unknown command 'AUTH'): remove user and" in heard
            assert secret[:4] not in heard
