"""`regional-assets ui` with its real processes, each of them killed or frozen: all are back, its
sensors tick again, and meanwhile `health` says so."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from regional_assets.redis_link import embedded
from regional_assets_tests.support.ui import COMMAND, ask, serving_ui
from regional_assets_tests.support.waiting import LONG, eventually

ROLES = {
    "web server": "dagster_webserver",
    "daemon": "dagster._daemon",
    "code server": "code-server start",
    "serving process": "api grpc",
    "dagster dev": "-m dagster dev",
}


class Ui:
    """A running UI in a folder of its own."""

    def __init__(self, port: int, process: "subprocess.Popen[bytes]", folder: Path) -> None:
        self.port, self.process, self.folder = port, process, folder
        self.environment = {**os.environ, "REGIONAL_STATE_DIR": str(folder)}

    def below(self, role: str) -> list[psutil.Process]:
        """The processes of that role."""
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            try:
                words = " ".join(process.cmdline())
            except psutil.Error:
                continue
            if ROLES[role] in words:
                found.append(process)
        return found

    def health(self) -> tuple[int, dict[str, Any]]:
        """The exit code and what it says."""
        said = subprocess.run(
            [*COMMAND, "health", "--json"],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            check=False,
        )
        return said.returncode, dict(json.loads(said.stdout))

    def record(self, watcher: str) -> dict[str, Any]:
        """What a watcher has put on record; nothing where it has not, or the server is away."""
        try:
            with embedded._client(self.folder) as client:
                stored: Any = client.hget("intelligence:regional-own:v1:health", watcher)
        except OSError:
            return {}
        return dict(json.loads(stored or b"{}"))

    def ticking(self, since: float) -> bool:
        """Whether a sensor has ticked since then (s)."""
        return bool(self.record("daemon").get("at", 0) > since * 1000)

    def answers(self) -> bool:
        """Whether the web server does; an error when the supervisor has ended."""
        assert self.process.poll() is None, (self.folder / "ui.log").read_text()
        try:
            return "version" in ask(self.port, "{ version }")
        except OSError:
            return False


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    folder = tmp_path_factory.mktemp("ui")
    environment = {"REGIONAL_STATE_DIR": str(folder)}
    everywhere = {**os.environ, **environment}
    try:
        for words in (["inputs", "load"], ["run"]):
            subprocess.run(
                [*COMMAND, *words], env=everywhere, cwd=folder, check=True, capture_output=True
            )
        with serving_ui(environment, folder) as (port, process):
            yield Ui(port, process, folder)
        assert process.returncode == 0
        # Nobody is to be missed after an orderly end.
        embedded.ensure_running(folder)
        with embedded._client(folder) as client:
            assert not client.exists("intelligence:regional-own:v1:health")
    finally:
        embedded.stop(folder)


ALL = [(role, number) for role in ROLES for number in (signal.SIGKILL, signal.SIGSTOP)]
SOME = [
    ("serving process", signal.SIGKILL),
    ("code server", signal.SIGKILL),
    ("web server", signal.SIGSTOP),
]


@pytest.mark.parametrize(("role", "number"), ALL if LONG else SOME)
def test_whatever_dies_or_freezes_is_back(ui: Ui, role: str, number: signal.Signals) -> None:
    eventually(lambda: all(ui.below(name) for name in ROLES) and ui.answers())
    eventually(lambda: ui.ticking(time.time() - 60))
    before = ui.below(role)
    hit = time.time()
    for process in before:
        process.send_signal(number)
    eventually(lambda: ui.below(role) and not set(ui.below(role)) & set(before) and ui.answers())
    eventually(lambda: ui.ticking(hit + 1))
    assert not any(process.is_running() for process in before)
    code, found = ui.health()
    assert code in (0, 1)
    if code:
        assert any("started anew" in problem["what"] for problem in found["problems"])
    assert ui.process.poll() is None


def test_the_embedded_server_is_back(ui: Ui) -> None:
    process = int((ui.folder / "valkey" / "valkey.pid").read_text())
    os.kill(process, signal.SIGKILL)
    eventually(lambda: embedded.is_running(ui.folder))
    eventually(lambda: ui.health()[0] in (0, 1))


def test_an_embedded_server_that_is_frozen_is_replaced(ui: Ui) -> None:
    process = int((ui.folder / "valkey" / "valkey.pid").read_text())
    os.kill(process, signal.SIGSTOP)
    assert ui.health()[0] == 2
    eventually(lambda: ui.health()[0] in (0, 1))
    assert int((ui.folder / "valkey" / "valkey.pid").read_text()) != process
