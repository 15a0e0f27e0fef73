"""A service of real servers: a primary, two replicas and three Sentinels, and what befalls them."""

import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

import regional_assets
from regional_assets_tests.support.servers import free_port
from regional_assets_tests.support.waiting import eventually

SERVICE = "regional"
_FILES = Path(regional_assets.__file__).parent / "deploy" / "sentinel"
_DOWN_AFTER = 700
_FAILOVER_TIMEOUT = 5000


class Server:
    """One process, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.folder = folder / str(self.port)
        self.folder.mkdir()
        self.client: Any = redis.Redis(
            port=self.port, protocol=2, retry=Retry(NoBackoff(), 0), socket_timeout=5
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *command: str) -> None:
        base = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder))
        self._process = subprocess.Popen([*command, *base, "--logfile", "log"])
        eventually(lambda: self.answers() or self._has_ended())
        assert not self._has_ended()

    def signal(self, number: signal.Signals) -> None:
        """SIGKILL for a machine that is gone, SIGSTOP for one that hangs."""
        assert self._process
        self._process.send_signal(number)
        if number == signal.SIGKILL:
            self._process.wait()
            self._process = None

    def end(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
        self.client.close()

    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def is_replica(self) -> bool:
        """Whether it says so; its connections are cut at that moment."""
        try:
            return bool(self.client.info("replication")["role"] == "slave")
        except redis.ConnectionError:
            return False

    def answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False


class Service:
    """A primary with replicas that are in step, and Sentinels who know each other."""

    def __init__(self, program: str, folder: Path, replicas: int, sentinels: int) -> None:
        self._program = program
        self.servers = [Server(folder) for _ in range(1 + replicas)]
        self.sentinels = [Server(folder) for _ in range(sentinels)]

    @property
    def url(self) -> str:
        named = ",".join(sentinel.address for sentinel in self.sentinels)
        return f"redis+sentinel://{named}/{SERVICE}/0"

    def start(self) -> None:
        first, *others = self.servers
        self._start_server(first)
        for server in others:
            primary = ("--replicaof", "127.0.0.1", str(first.port))
            self._start_server(server, *primary)
        eventually(lambda: self.in_step(first, len(others)))
        for sentinel in self.sentinels:
            self._start_sentinel(sentinel, first)
        eventually(lambda: all(map(self._is_complete, self.sentinels)))

    def _start_server(self, server: Server, *options: str) -> None:
        own = server.folder / "redis.conf"
        shutil.copy(_FILES / "redis.conf", own)
        server.start(self._program, str(own), *options)

    def _start_sentinel(self, sentinel: Server, primary: Server) -> None:
        text = (_FILES / "sentinel.conf").read_text(encoding="utf-8")
        own = sentinel.folder / "sentinel.conf"
        for before, after in (
            ("127.0.0.1 6379", f"127.0.0.1 {primary.port}"),
            (
                "down-after-milliseconds regional 3000",
                f"down-after-milliseconds regional {_DOWN_AFTER}",
            ),
            ("failover-timeout regional 20000", f"failover-timeout regional {_FAILOVER_TIMEOUT}"),
        ):
            assert before in text
            text = text.replace(before, after)
        own.write_text(text, encoding="utf-8")
        sentinel.start(self._program, str(own), "--sentinel")

    def _is_complete(self, sentinel: Server) -> bool:
        state = sentinel.client.sentinel_masters()[SERVICE]
        complete: bool = (
            state["num-slaves"] == len(self.servers) - 1
            and state["num-other-sentinels"] == len(self.sentinels) - 1
        )
        return complete

    def in_step(self, primary: Server, replicas: int) -> bool:
        info = primary.client.info("replication")
        return [
            info.get(f"slave{i}", {}).get("state") for i in range(info["connected_slaves"])
        ] == ["online"] * replicas

    def primary(self) -> Server:
        """The one that the Sentinels name."""
        _, port = self.sentinels[0].client.sentinel_get_master_addr_by_name(SERVICE)
        return next(server for server in self.servers if server.port == port)

    def replicas(self) -> Sequence[Server]:
        primary = self.primary()
        return [server for server in self.servers if server is not primary]

    def fail_over(self) -> None:
        """A planned failover: the primary is alive all the time."""
        self.sentinels[0].client.sentinel_failover(SERVICE)

    def has_moved(self, old: Server) -> bool:
        """Whether all Sentinels name another primary, which says that it is one."""
        named = {s.client.sentinel_get_master_addr_by_name(SERVICE)[1] for s in self.sentinels}
        if old.port in named or len(named) > 1:
            return False
        return not self.primary().is_replica()

    def end(self) -> None:
        for server in (*self.sentinels, *self.servers):
            server.end()


@contextmanager
def service(program: str, folder: Path, replicas: int = 2, sentinels: int = 3) -> Iterator[Service]:
    found = Service(program, folder, replicas, sentinels)
    try:
        found.start()
        yield found
    finally:
        found.end()
