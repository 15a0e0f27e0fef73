"""`dagster dev` under a supervisor: whichever of its processes is gone or frozen, all come back.

`dagster dev` starts a web server, a daemon and a code server, which serves from a process of its
own. It ends, as if all were well, when one of the first two dies, and does not look at the others
at all: without the process that serves, no schedule ticks again. This one looks at each of them,
and starts the whole anew; the runs have processes of their own and go on. What dies again and again
ends the tree, with an exit code that says so.
"""

import ctypes
import json
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import FrameType
from typing import Any, NamedTuple

import grpc  # type: ignore[import-untyped]
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

from regional_assets.dagster_kit.processes import STOPPED, command_line, kill, status

# What the command line of each process holds.
_ROLES = {
    "web server": ("dagster_webserver",),
    "daemon": ("dagster._daemon",),
    "code server": ("code-server", "start"),
    "process that the code server serves from": ("api", "grpc"),
}
_QUESTION = """{
  workspaceOrError { ... on Workspace { locationEntries {
    name locationOrLoadError { ... on PythonError { message } } } } }
  instance { daemonHealth { allDaemonStatuses { daemonType required lastHeartbeatTime } } }
}"""

# Seconds.
_LOOK = 5.0
_ANSWER = 5.0
_STARTS_WITHIN = 180.0
_ENDS_WITHIN = 15.0
_HEARTBEAT_WITHIN = 150.0
_REMEMBERED = 60.0
# A code server that is reloaded has two serving processes for a moment, or none.
_LOOKS = 3
_MOST_IN_VAIN = 5


class Fault(NamedTuple):
    """What the supervisor saw, and when (s since the epoch)."""

    what: str
    at: float


class Supervisor:
    """Runs `dagster dev` with these arguments until a signal ends it, or it cannot be kept alive.

    `say` prints a line. `look` is called every few seconds with the faults of the last minute, for
    what else is to be watched.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        url: str,
        say: Callable[[str], None],
        look: Callable[[Sequence[Fault]], None],
    ) -> None:
        self._command = [sys.executable, "-m", "dagster", "dev", *arguments]
        self._url, self._say, self._look = url, say, look
        self._asked_to_end = threading.Event()
        self._faults: list[Fault] = []

    def run(self) -> int:
        """The exit code: 0 when a signal ended it, 1 when it could not be kept alive."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._end)
        in_vain = 0
        while not self._asked_to_end.is_set():
            if in_vain == _MOST_IN_VAIN:
                self._say(f"{in_vain} starts in a row came to nothing: ended")
                return 1
            tree = _Tree(subprocess.Popen(self._command, preexec_fn=_end_with_parent), self._url)
            try:
                self._watch(tree)
            finally:
                tree.end()
            in_vain = 0 if tree.was_complete else in_vain + 1
        return 0

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self._asked_to_end.set()

    def _watch(self, tree: "_Tree") -> None:
        """Returns when the tree has to be started anew, or ended."""
        seen: dict[str, int] = {}
        while not self._asked_to_end.wait(_LOOK):
            wrong = dict(tree.wrong())
            # What is over is forgotten; `dagster dev` itself never comes back.
            seen = {what: seen.get(what, 0) + 1 for what in wrong}
            lost = [what for what, n in seen.items() if n >= _LOOKS or wrong[what]]
            now = time.time()
            self._faults = [f for f in self._faults if now - f.at < _REMEMBERED]
            self._faults += [Fault(f"{what}; all is started anew", now) for what in lost]
            self._look([*self._faults, *(Fault(what, now) for what in tree.location_errors)])
            if lost:
                self._say(f"{'; '.join(lost)}: starting all anew; runs go on")
                return


class _Tree:
    """The processes below one `dagster dev`."""

    def __init__(self, top: "subprocess.Popen[bytes]", url: str) -> None:
        self._top, self._url = top, url
        self._started = time.monotonic()
        self.was_complete = False
        self._known: dict[str, list[psutil.Process]] = {}
        self.location_errors: list[str] = []

    def wrong(self) -> Iterator[tuple[str, bool]]:
        """What is wrong now, and whether one look is enough to know."""
        if (code := self._top.poll()) is not None:
            yield f"dagster dev ended ({code}): its web server, its daemon or itself died", True
            return
        found = self._find()
        stopped = [
            role
            for role, processes in found.items()
            if any(status(process) == STOPPED for process in processes)
        ]
        asked = all(found.values()) and not stopped
        answers = dict(self._unanswered(found)) if asked else {}
        for role, processes in found.items():
            if role in stopped:
                yield f"the {role} is stopped", False
            elif not processes and self._known[role]:
                yield f"the {role} is gone", False
        if not self.was_complete:
            self.was_complete = asked and not answers
            if time.monotonic() - self._started > _STARTS_WITHIN:
                lacking = [f"no {role}" for role, processes in found.items() if not processes]
                lacking += [f"{role}: {why}" for role, why in answers.items()]
                yield f"not ready after {_STARTS_WITHIN:.0f} s ({', '.join(lacking)})", True
            return
        for role, why in answers.items():
            yield f"the {role} does not answer ({why})", False

    def end(self) -> None:
        """Ends `dagster dev` in order, and whatever of it is left by force."""
        self._find()
        left = {p for processes in self._known.values() for p in processes}
        # It would keep the others waiting.
        kill(process for process in left if status(process) == STOPPED)
        self._top.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._top.wait(_ENDS_WITHIN)
        kill(left)
        self._top.kill()
        self._top.wait()
        psutil.wait_procs(left, _ENDS_WITHIN)

    def _find(self) -> dict[str, list[psutil.Process]]:
        """The processes by their roles."""
        found: dict[str, list[psutil.Process]] = {role: [] for role in _ROLES}
        below: list[psutil.Process] = []
        with suppress(psutil.Error):
            below = psutil.Process(self._top.pid).children(recursive=True)
        for process in below:
            words = command_line(process)
            for role, needed in _ROLES.items():
                if all(word in words for word in needed):
                    found[role].append(process)
        for role, processes in found.items():
            before = self._known.setdefault(role, [])
            before += [process for process in processes if process not in before]
        # `dagster dev` starts another one on another socket, which nobody asks.
        found["code server"] = [
            p for p in self._known["code server"][:1] if p in found["code server"]
        ]
        return found

    def _unanswered(
        self, found: Mapping[str, Sequence[psutil.Process]]
    ) -> Iterator[tuple[str, str]]:
        try:
            answer = _ask(self._url)
        # Whatever comes instead of an answer.
        except Exception as error:
            yield "web server", type(error).__name__
        else:
            now = time.time()
            entries = answer["workspaceOrError"].get("locationEntries", [])
            self.location_errors = [
                f"the code location {entry['name']} does not load: {words.strip()[:300]}"
                for entry in entries
                if (words := (entry["locationOrLoadError"] or {}).get("message"))
            ]
            for status in answer["instance"]["daemonHealth"]["allDaemonStatuses"]:
                beat = status["lastHeartbeatTime"]
                if status["required"] and (not beat or now - beat > _HEARTBEAT_WITHIN):
                    yield "daemon", f"no heartbeat of {status['daemonType']}"
        for role in list(_ROLES)[2:]:
            # A code server that is being reloaded has two.
            if not any(_serves(process) for process in found[role]):
                yield role, "no reply"


def _end_with_parent() -> None:
    """So that a supervisor that is killed takes the tree along; Linux alone can do that."""
    if sys.platform == "linux":
        parent_death_signal = 1
        ctypes.CDLL(None).prctl(parent_death_signal, signal.SIGTERM)


def _ask(url: str) -> Mapping[str, Any]:
    request = urllib.request.Request(  # noqa: S310 - our own address
        f"{url}/graphql",
        json.dumps({"query": _QUESTION}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=_ANSWER) as answer:  # noqa: S310
        data: Mapping[str, Any] = json.load(answer)["data"]
        return data


def _serves(process: psutil.Process) -> bool:
    """Whether the server on the socket of its command line is healthy."""
    words = command_line(process)
    if "--socket" not in words:
        return True
    socket = words[words.index("--socket") + 1]
    with grpc.insecure_channel(f"unix:{socket}") as channel:
        question = health_pb2.HealthCheckRequest(service="DagsterApi")
        try:
            reply = health_pb2_grpc.HealthStub(channel).Check(question, timeout=_ANSWER)
        except grpc.RpcError:
            return False
    return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)
