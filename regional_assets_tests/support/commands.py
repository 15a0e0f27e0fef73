"""The command as a user types it, in a process of its own.

A new interpreter spends most of its time on importing Dagster, so `typed` forks a process that has
imported everything (see `worker`). What Python or an import reads from the environment needs a new
interpreter: `typed_anew`.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from regional_assets.cli.main import main
from regional_assets.store import embedded
from regional_assets_tests.support.ui import COMMAND
from regional_assets_tests.support.worker import PROCESSES

Finished = subprocess.CompletedProcess[str]


class Command(Protocol):
    """Arguments, and what the environment has besides that of the tests."""

    def __call__(self, *arguments: str, **environment: str) -> Finished: ...


def typed(folder: Path, arguments: tuple[str, ...], environment: dict[str, str]) -> Finished:
    """The command in `folder`, in a forked process with this environment alone."""
    with tempfile.TemporaryDirectory() as place:
        said = [Path(place, name) for name in ("stdout", "stderr")]
        process = PROCESSES.Process(target=_become, args=(folder, arguments, environment, said))
        process.start()
        process.join()
        code = process.exitcode
        assert code is not None
        return Finished(arguments, code, *(path.read_text(encoding="utf-8") for path in said))


def typed_anew(folder: Path, arguments: tuple[str, ...], environment: dict[str, str]) -> Finished:
    """The same in a new interpreter."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def commands(
    folder: Path,
    state: str = "",
    how: Callable[[Path, tuple[str, ...], dict[str, str]], Finished] = typed,
) -> Iterator[Command]:
    """Commands in `folder` on the embedded server of the state folder `state` in it, which is gone
    at the end."""

    def run(*arguments: str, **environment: str) -> Finished:
        own = {"REGIONAL_STATE_DIR": state or str(folder)}
        return how(folder, arguments, {**os.environ, **own, **environment})

    yield run
    embedded.stop(folder / state)


def _become(
    folder: Path, arguments: tuple[str, ...], environment: dict[str, str], said: list[Path]
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for stream, path in zip((sys.stdout, sys.stderr), said, strict=True):
        with path.open("wb") as file:
            os.dup2(file.fileno(), stream.fileno())
    sys.argv = ["regional-assets", *arguments]
    main(prog_name="regional-assets")
