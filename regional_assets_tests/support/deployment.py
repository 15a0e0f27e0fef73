"""The processes of a deployment on several machines, each with folders of its own: started from an
installed wheel and the files in it, as docs/deployment.md has it."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import redis
from dotenv import dotenv_values
from redis.backoff import NoBackoff
from redis.retry import Retry

import regional_assets
from regional_assets_tests.support.installed import Installed, installed
from regional_assets_tests.support.postgres import Postgres, postgres_server
from regional_assets_tests.support.proxy import Proxy, proxy
from regional_assets_tests.support.servers import free_port, redis_program, redis_server
from regional_assets_tests.support.ui import wait_for, with_short_rounds
from regional_assets_tests.support.waiting import eventually

FILES = Path(regional_assets.__file__).parent / "deploy"
BROKER_PASSWORD = "not-to-be-shown"


class Broker:
    """A Redis server for Celery alone, on a port of its own."""

    def __init__(self) -> None:
        self._port = free_port()
        self.address = f"redis://:**@127.0.0.1:{self._port}/0"
        self.url = self.address.replace("**", BROKER_PASSWORD)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ["--port", str(self._port), "--save", "", "--requirepass", BROKER_PASSWORD]
        self._process = subprocess.Popen([redis_program(), *options], stdout=subprocess.DEVNULL)
        with redis.Redis.from_url(self.url, retry=Retry(NoBackoff(), 0)) as client:
            eventually(lambda: _answers(client))

    def signal(self, number: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(number)

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


@dataclass
class Worker:
    """A Celery worker, whose way to the store leads through `between`."""

    process: "subprocess.Popen[bytes]"
    between: Proxy
    log: Path

    def kill(self) -> None:
        """The worker with all its processes, as when its machine is gone."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclass
class Deployment:
    """What runs, and how to reach it."""

    folder: Path
    project: Installed
    postgres: Postgres
    broker: Broker
    store_url: str
    environment: dict[str, str]
    instance: dg.DagsterInstance
    port: int = field(default_factory=free_port)
    workers: list[Worker] = field(default_factory=list)

    def start(
        self, kind: str, name: str, *arguments: str, **more: str
    ) -> "subprocess.Popen[bytes]":
        """A process that deploy/start starts; what it says is in the file NAME.log."""
        with (self.folder / f"{name}.log").open("w") as said:
            return subprocess.Popen(
                ["sh", self.folder / "deploy" / "start", kind, *arguments],
                env=self.own_environment(name) | more,
                cwd=self.folder,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    def own_environment(self, name: str) -> dict[str, str]:
        """Of the process of that name."""
        around = {n: value for n, value in os.environ.items() if n != "PYTHONPATH"}
        own = {
            "DAGSTER_HOME": str(self.folder / name),
            "PATH": f"{self.project.programs}:{os.environ['PATH']}",
        }
        found = around | self.environment | own
        return with_short_rounds(found) if name == "daemon" else found


@contextmanager
def deployed(folder: Path) -> Iterator[Deployment]:
    """PostgreSQL, broker, store, code server, webserver, daemon and two workers of one process
    each."""
    project = installed(folder)
    files = shutil.copytree(project.package / "deploy", folder / "deploy")
    with ExitStack() as stack:
        postgres = stack.enter_context(postgres_server(folder))
        broker = Broker()
        stack.callback(broker.stop)
        broker.start()
        store_url = stack.enter_context(redis_server(folder))
        environment = {
            **postgres.environment,
            "CELERY_BROKER_URL": broker.url,
            "REDIS_URL": store_url,
            "CODE_SERVER_HOST": "127.0.0.1",
            "CODE_SERVER_PORT": str(free_port()),
        }
        assert environment.keys() == dotenv_values(files / "example.env").keys()
        home = folder / "looking-on"
        home.mkdir()
        (home / "dagster.yaml").write_bytes((files / "dagster.yaml").read_bytes())
        # The storage sets the size of batches.
        names = [*environment, "DAGSTER_EVENT_BATCH_SIZE"]
        before = {name: os.environ.get(name) for name in names}
        os.environ.update(environment)
        stack.callback(_restore, before)
        instance = stack.enter_context(dg.DagsterInstance.from_config(str(home)))
        running = Deployment(folder, project, postgres, broker, store_url, environment, instance)
        running.environment |= {"REGIONAL_RECOVERY_PAUSE": "5"}
        for kind, arguments in (
            ("code", ()),
            ("webserver", ("--host", "127.0.0.1", "--port", str(running.port))),
            ("daemon", ()),
        ):
            stack.callback(_end, running.start(kind, kind, *arguments))
            if kind == "code":
                # A daemon that cannot reach it yet fails a backfill for good.
                eventually(
                    lambda: "Started Dagster code server" in (folder / "code.log").read_text()
                )
        for name in ("worker-1", "worker-2"):
            (folder / name).mkdir()
            between = stack.enter_context(proxy(folder / name, store_url))
            # A run whose way is frozen hangs for longer than any test.
            hanging = {"REDIS_URL": between.url, "REGIONAL_ANSWER_TIMEOUT": "600"}
            process = running.start("worker", name, "--concurrency", "1", **hanging)
            stack.callback(_end, process)
            running.workers.append(Worker(process, between, folder / f"{name}.log"))
        wait_for(running.port, folder / "webserver.log")
        for worker in running.workers:
            eventually(lambda: " ready." in worker.log.read_text())  # noqa: B023
        yield running


def _end(process: "subprocess.Popen[bytes]") -> None:
    """At once: nothing that is kept is at stake."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _restore(environment: dict[str, str | None]) -> None:
    for name, value in environment.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
