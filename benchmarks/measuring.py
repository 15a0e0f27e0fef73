"""What all scripts share: paired measurements, the rows of the table of figures, a server."""

import gc
import importlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import redis

from regional_assets.redis_link import embedded
from regional_assets.settings import StoreSettings

_MEASURING = {
    *("auth", "hello", "client|setinfo", "client|id", "client|list"),
    *("config|resetstat", "info", "script|flush"),
}
_SENT_BESIDE_SCRIPTS = {"evalsha", "evalsha_ro", "mget", "script|load"}


@dataclass(frozen=True, slots=True)
class Figure:
    """What a script found. `met` tells whether the goal is reached; None where there is no goal,
    because the figure is there to compare with.

    A figure with a `scope` is also a row of docs/benchmarks.md, without its `detail`: of the
    "whole", from a launch to its end, or of something "inside" it.
    """

    name: str
    value: str
    goal: str = ""
    met: bool | None = None
    scope: Literal["whole", "inside"] | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Medians in seconds; `quartiles` are those that ours varied between. `ratio` is the median of
    ours / baseline over the rounds, `low` and `high` the quartiles it varied between."""

    baseline: float
    ours: float
    quartiles: tuple[float, float]
    ratio: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.ratio:.2f} ({self.low:.2f}–{self.high:.2f})"


def paired(
    baseline: Callable[[], object],
    ours: Callable[[], object],
    rounds: int,
    before: Callable[[], object] = lambda: None,
    clock: Callable[[], float] = time.perf_counter,
) -> Comparison:
    """Times of both by `clock` (seconds), taken alternately in this process, after one round that
    is not counted; who is first changes with every round. `before` runs before each, untimed."""

    def seconds(function: Callable[[], object]) -> float:
        before()
        # Neither pays for the other's garbage.
        gc.collect()
        started = clock()
        function()
        return clock() - started

    taken: list[tuple[float, float]] = []
    for position in range(rounds + 1):
        if position % 2:
            theirs = seconds(baseline)
            taken.append((theirs, seconds(ours)))
        else:
            own = seconds(ours)
            taken.append((seconds(baseline), own))
    return compared(taken[1:])


def compared(pairs: Iterable[tuple[float, float]]) -> Comparison:
    """Pairs of baseline and ours, each measured side by side (at least two)."""
    baseline, ours = zip(*pairs, strict=True)
    ratios = [own / theirs for theirs, own in zip(baseline, ours, strict=True)]
    low, ratio, high = statistics.quantiles(ratios, n=4, method="inclusive")
    fast, middle, slow = statistics.quantiles(ours, n=4, method="inclusive")
    return Comparison(statistics.median(baseline), middle, (fast, slow), ratio, low, high)


def figures_of(script: str) -> list[Figure]:
    """The figures of `benchmarks.<script>`, taken now."""
    figures: list[Figure] = importlib.import_module(f"benchmarks.{script}").figures()
    return figures


def show(figures: Iterable[Figure]) -> None:
    """Prints them."""
    for figure in figures:
        reached = {True: ", reached", False: ", NOT reached", None: ""}[figure.met]
        goal = f"  [goal: {figure.goal}{reached}]" if figure.goal else ""
        detail = f"; {figure.detail}" if figure.detail else ""
        print(f"{figure.name}: {figure.value}{detail}{goal}", flush=True)


@contextmanager
def server() -> Iterator[StoreSettings]:
    """An embedded server of its own, empty, gone at the end."""
    # A short path: it is a Unix socket's.
    with tempfile.TemporaryDirectory(prefix="ra-", dir="/tmp") as name:
        folder = Path(name)
        try:
            yield StoreSettings(state_dir=folder, redis_url=embedded.ensure_running(folder))
        finally:
            embedded.stop(folder)


def administrator(settings: StoreSettings) -> redis.Redis:
    """A client that may reset and read the server's statistics."""
    return redis.Redis(
        unix_socket_path=str(embedded.socket_path(settings.state_dir)),
        username=embedded.ADMIN,
        protocol=2,
    )


@dataclass(frozen=True, slots=True)
class Commands:
    """What the server ran since its statistics were reset, without what measures: how often, and
    how many microseconds it was busy with it, by command."""

    calls: dict[str, int]
    busy: dict[str, int]

    @property
    def sent(self) -> list[str]:
        """Those that clients sent. Ours sends scripts and what is not in them; the old way, which
        has none, sends all."""
        ours = [name for name in self.calls if name in _SENT_BESIDE_SCRIPTS]
        return ours if "evalsha" in self.calls else list(self.calls)


def commands(administrator: redis.Redis) -> Commands:
    """Since the statistics were reset."""
    found = {
        name: row
        for key, row in administrator.info("commandstats").items()
        if (name := key.removeprefix("cmdstat_")) not in _MEASURING
    }
    return Commands(
        {name: row["calls"] for name, row in found.items()},
        {name: row["usec"] for name, row in found.items()},
    )
