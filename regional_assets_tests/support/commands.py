"""The command as a user types it, in a process of its own.

A new interpreter spends most of its time on importing Dagster, so `typed` forks a process that has
imported everything (see `worker`). What Python or an import reads from the environment needs a new
interpreter: `interpreter` for several commands with the same of that, `typed_anew` for one.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from regional_assets.cli.main import main
from regional_assets.redis_link import embedded
from regional_assets_tests.support.processes import running
from regional_assets_tests.support.ui import COMMAND
from regional_assets_tests.support.worker import PROCESSES

Finished = subprocess.CompletedProcess[str]
# Runs the command in a folder, with these arguments and this environment alone.
How = Callable[[Path, tuple[str, ...], dict[str, str]], Finished]


class Command(Protocol):
    """Arguments, and what the environment has besides that of the tests."""

    def __call__(self, *arguments: str, **environment: str) -> Finished: ...


def typed(folder: Path, arguments: tuple[str, ...], environment: dict[str, str]) -> Finished:
    """In a forked process."""
    with _said() as (stdout, stderr):
        paths = (str(stdout), str(stderr))
        process = PROCESSES.Process(
            target=become, args=(str(folder), arguments, environment, *paths)
        )
        with running(process):
            process.join()
            code = process.exitcode
        assert code is not None
        return Finished(arguments, code, stdout.read_text("utf-8"), stderr.read_text("utf-8"))


def typed_anew(folder: Path, arguments: tuple[str, ...], environment: dict[str, str]) -> Finished:
    """In a new interpreter."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def interpreter(encoding: str = "utf-8", **environment: str) -> Iterator[How]:
    """In forked processes of an interpreter of its own, which is started with `environment` besides
    that of the tests. `encoding` is that of its output."""
    with subprocess.Popen(
        [sys.executable, "-m", "regional_assets_tests.support.interpreter"],
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:

        def run(folder: Path, arguments: tuple[str, ...], environment: dict[str, str]) -> Finished:
            assert parent.stdin
            assert parent.stdout
            with _said() as (stdout, stderr):
                asked = (str(folder), arguments, environment, str(stdout), str(stderr))
                print(json.dumps(asked), file=parent.stdin, flush=True)
                code = int(parent.stdout.readline())
                return Finished(
                    arguments, code, stdout.read_text(encoding), stderr.read_text(encoding)
                )

        yield run


@contextmanager
def commands(folder: Path, state: str = "", how: How = typed, **always: str) -> Iterator[Command]:
    """Commands in `folder` on the embedded server of the state folder `state` in it, which is gone
    at the end. `always` is in the environment of each."""

    def run(*arguments: str, **environment: str) -> Finished:
        own = {"REGIONAL_STATE_DIR": state or str(folder)}
        return how(folder, arguments, {**os.environ, **own, **always, **environment})

    try:
        yield run
    finally:
        embedded.stop(folder / state)


def become(
    folder: str, arguments: list[str], environment: dict[str, str], stdout: str, stderr: str
) -> None:
    """Makes this process the command; what it says is in two files."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for stream, path in ((sys.stdout, stdout), (sys.stderr, stderr)):
        with Path(path).open("wb") as file:
            os.dup2(file.fileno(), stream.fileno())
    sys.argv = ["regional-assets", *arguments]
    main(prog_name="regional-assets")


@contextmanager
def _said() -> Iterator[tuple[Path, Path]]:
    with tempfile.TemporaryDirectory() as place:
        yield Path(place, "stdout"), Path(place, "stderr")
