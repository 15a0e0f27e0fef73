"""Processes that a test starts end with it, also when it fails."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import TypeVar

P = TypeVar("P", bound=BaseProcess)
B = TypeVar("B", bound=subprocess.Popen[bytes] | subprocess.Popen[str])


@contextmanager
def running(process: P) -> Iterator[P]:
    """A process of `multiprocessing`, started; killed at the end if it runs by then."""
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


@contextmanager
def program(started: B) -> Iterator[B]:
    """A program that was started; killed at the end if it runs by then."""
    with started:
        try:
            yield started
        finally:
            started.kill()
