"""From eight regions to ten thousand: what reading, computing and committing cost per region, how
commits compare with plain pipelined SETs, and how long the server is ever kept busy by one."""

import gc
import multiprocessing
import socket
import statistics
import time
import tracemalloc
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import redis

from benchmarks.generated_model import generated, inputs
from benchmarks.measuring import Comparison, Figure, administrator, compared, server, show
from regional_assets.redis_link import embedded
from regional_assets.runs.clock import current_time
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.settings import StoreSettings
from regional_assets.store.connection import connect
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets.store.wire import encode

SIZES = (8, 100, 1_000, 10_000)
REFERENCE = 100
ROUNDS = 7
# A round of fewer regions repeats itself, so that it, too, takes a second or so.
REGIONS_A_ROUND = 1_000
MOST_REPEATS = 20
BLOCKING_MS = 10
PHASES = ("reading", "computing", "committing")
# The same bodies by pipelined SETs.
SETS = "plain SETs"

# As many SETs as a batch of commits has scripts.
_PIPELINE = 64
# The server's slow log keeps what takes longer than this (µs).
_SLOW_US = 500


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds per region, by phase and for `SETS`; bytes of a body."""

    seconds: Mapping[str, float]
    body: float


@dataclass(frozen=True, slots=True)
class Longest:
    """The command that kept the server busy for longest, for how long, and how long its like do
    on average (ms); how many there were."""

    command: str
    milliseconds: float
    average: float
    calls: int


def figures() -> list[Figure]:
    """All sizes side by side, each with a server and a process of its own, so that none finds what
    another left."""
    before = _processor_time()
    with ExitStack() as stack:
        processes: dict[int, ProcessPoolExecutor] = {}
        administrators: dict[int, redis.Redis] = {}
        for size in SIZES:
            settings = stack.enter_context(server())
            admin = administrators[size] = stack.enter_context(administrator(settings))
            admin.config_set("slowlog-log-slower-than", _SLOW_US)
            admin.config_set("slowlog-max-len", 100_000)
            # From time to time the server rewrites its log in the background, which takes one of
            # two processors for a while: of one size only, by chance.
            admin.config_set("auto-aof-rewrite-percentage", 0)
            processes[size] = stack.enter_context(
                ProcessPoolExecutor(
                    1,
                    multiprocessing.get_context("spawn"),
                    initializer=Regions.prepare,
                    initargs=(size, settings.state_dir),
                )
            )
        # Round by round, so that all sizes meet the machine in the same states; the first round
        # has nothing to compare with, and loads what is loaded once.
        rounds = [
            {size: p.submit(Regions.next_round).result() for size, p in processes.items()}
            for _ in range(ROUNDS + 1)
        ][1:]
        memory = {size: p.submit(Regions.memory).result() for size, p in processes.items()}
        longest = {size: _longest(admin) for size, admin in administrators.items()}
    return [
        *(_time(phase, rounds) for phase in PHASES),
        # What a larger amount of data costs the server and its disk by itself.
        replace(_time(SETS, rounds), goal="", met=None),
        *(_memory(phase, memory) for phase in PHASES),
        *(_throughput(size, [taken[size] for taken in rounds]) for size in SIZES if size >= 100),
        *(_blocking(size, found) for size, found in longest.items()),
        *_stolen(before, _processor_time()),
    ]


def _time(phase: str, rounds: Sequence[Mapping[int, Round]]) -> Figure:
    def seconds(size: int) -> list[float]:
        return [taken[size].seconds[phase] for taken in rounds]

    # Below a hundred regions, what is done once for all is most of it.
    beside: dict[int, Comparison] = {
        size: compared(zip(seconds(REFERENCE), seconds(size), strict=True))
        for size in SIZES
        if size > REFERENCE
    }
    medians = {size: f"{statistics.median(seconds(size)) * 1e6:,.0f} µs" for size in SIZES}
    ratios = (f"{found} times for {size:,}" for size, found in beside.items())
    most = SIZES[-1]
    return Figure(
        f"{phase[0].upper()}{phase[1:]}, per region of {most:,}",
        f"{medians[most]}, {beside[most].ratio:.2f} times that of {REFERENCE}",
        "at most 1.25",
        all(found.ratio <= 1.25 for found in beside.values()),
        "inside" if phase == "committing" else None,
        f"{', '.join(f'{median} of {size:,}' for size, median in medians.items())}: "
        f"{', '.join(ratios)}",
    )


def _memory(phase: str, peaks: Mapping[int, Mapping[str, float]]) -> Figure:
    found = {size: peak[phase] for size, peak in peaks.items()}
    return Figure(
        f"{phase.capitalize()}, memory per region",
        ", ".join(f"{peak / 1000:,.0f} kB of {size:,}" for size, peak in found.items()),
        f"from {REFERENCE} on at most 1.25 times that of {REFERENCE}",
        all(found[size] <= 1.25 * found[REFERENCE] for size in SIZES if size > REFERENCE),
    )


def _throughput(size: int, rounds: Sequence[Round]) -> Figure:
    rates = compared((taken.seconds["committing"], taken.seconds[SETS]) for taken in rounds)
    return Figure(
        f"Commits / plain SETs of the same bytes, {size:,} regions",
        str(rates),
        "at least 0.5",
        rates.ratio >= 0.5,
        "inside" if size == SIZES[-1] else None,
        f"{1 / rates.baseline:,.0f} commits a second, "
        f"{rounds[-1].body / 1000:.1f} kB stored twice each",
    )


def _longest(administrator: redis.Redis) -> Longest:
    slow: defaultdict[str, float] = defaultdict(float)
    for entry in administrator.slowlog_get(100_000):
        name = entry["command"].split(b" ")[0].decode()
        slow[name] = max(slow[name], entry["duration"] / 1000)
    command, milliseconds = max(slow.items(), key=lambda found: found[1])
    stats = administrator.info("commandstats")[f"cmdstat_{command.lower()}"]
    return Longest(command, milliseconds, stats["usec_per_call"] / 1000, stats["calls"])


def _blocking(size: int, longest: Longest) -> Figure:
    return Figure(
        f"Longest command of the server, {size:,} regions",
        f"{longest.milliseconds:.1f} ms",
        f"at most {BLOCKING_MS}",
        longest.milliseconds <= BLOCKING_MS,
        "inside" if size == SIZES[-1] else None,
        f"{longest.command}, one of {longest.calls:,}, on average {longest.average:.2f} ms",
    )


def _processor_time() -> list[int]:
    """What the processors did, in hundredths of a second; empty where Linux does not tell."""
    found = Path("/proc/stat")
    return [int(n) for n in found.read_text().split("\n")[0].split()[1:9]] if found.exists() else []


def _stolen(before: Sequence[int], after: Sequence[int]) -> Iterator[Figure]:
    """A command from which the machine's host takes the processor takes longer by so much."""
    if before:
        passed = [b - a for a, b in zip(before, after, strict=True)]
        yield Figure(
            "Processor time that the machine's host took away meanwhile",
            f"{100 * passed[-1] / (sum(passed) - passed[3]):.1f} % of what was in use",
        )


class Regions:
    """The regions of this process."""

    _prepared: "Regions"

    def __init__(self, size: int, state_dir: Path) -> None:
        class Watched(SnapshotStore):
            """Tells when a run reads and when it commits."""

            def read(self, *args: Any, **options: Any) -> Any:
                moments.append(Moment.now())
                found = super().read(*args, **options)
                moments.append(Moment.now())
                return found

            def commit(self, *args: Any, **options: Any) -> Any:
                moments.append(Moment.now())
                replies = super().commit(*args, **options)
                moments.append(Moment.now())
                return replies

        moments: list[Moment] = []
        settings = StoreSettings(state_dir, embedded.url(state_dir))
        model = generated(size)
        store = Watched(connect(settings), model, settings)
        now = current_time()
        times = count(now)
        store.write_inputs(inputs(model, now))

        def run() -> tuple[list[Moment], list[bytes]]:
            gc.collect()
            moments.clear()
            result = take_snapshots(store, model.region_ids, next(times), force=True)
            assert not result.failed, result.failed[0].error
            # The commits come in batches.
            last = replace(moments[-1], peak=max(moment.peak for moment in moments[3:]))
            return [*moments[:3], last], [
                encode(r.snapshot.body) for r in result.regions if r.snapshot
            ]

        self._run = run
        self._size = size
        self._socket = str(embedded.socket_path(state_dir))

    @classmethod
    def prepare(cls, size: int, state_dir: Path) -> None:
        """To be called first in a process of its own."""
        cls._prepared = cls(size, state_dir)

    @classmethod
    def next_round(cls) -> Round:
        """What the next runs take."""
        self = cls._prepared
        repeats = max(1, min(MOST_REPEATS, REGIONS_A_ROUND // self._size))
        regions = repeats * self._size
        seconds = dict.fromkeys((*PHASES, SETS), 0.0)
        for _ in range(repeats):
            at, bodies = self._run()
            for phase, (before, after) in zip(PHASES, pairwise(at), strict=True):
                seconds[phase] += (after.seconds - before.seconds) / regions
            seconds[SETS] += _set(self._socket, bodies) / regions
        return Round(seconds, statistics.mean(map(len, bodies)))

    @classmethod
    def memory(cls) -> dict[str, float]:
        """The most that a run holds more in each phase than at its beginning; bytes per region."""
        tracemalloc.start()
        at, _ = cls._prepared._run()
        tracemalloc.stop()
        return {
            phase: (after.peak - before.held) / cls._prepared._size
            for phase, (before, after) in zip(PHASES, pairwise(at), strict=True)
        }


@dataclass(frozen=True, slots=True)
class Moment:
    """The time, what is held in memory, and the most that was since the moment before."""

    seconds: float
    held: int
    peak: int

    @classmethod
    def now(cls) -> "Moment":
        """This moment."""
        held, peak = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        return cls(time.perf_counter(), held, peak)


def _set(path: str, bodies: Sequence[bytes]) -> float:
    """Seconds that SETs of all bodies take, twice each as a commit stores them, as fast as they
    can be sent: packed beforehand, no client library."""
    commands = [
        b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(name), name, len(body), body)
        for n, body in enumerate(bodies)
        for name in (b"plain:%d:%d" % (n, copy) for copy in range(2))
    ]
    batches = [
        (b"".join(commands[start : start + _PIPELINE]), len(commands[start : start + _PIPELINE]))
        for start in range(0, len(commands), _PIPELINE)
    ]
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        started = time.perf_counter()
        for batch, expected in batches:
            connection.sendall(batch)
            answered = 0
            while answered < expected * len(b"+OK\r\n"):
                answered += len(connection.recv(1 << 16))
        return time.perf_counter() - started


if __name__ == "__main__":
    show(figures())
