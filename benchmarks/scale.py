"""From eight regions to ten thousand: what reading, computing and committing cost per region, how
commits compare with plain pipelined SETs, and how long the server is ever kept busy by one."""

import gc
import json
import socket
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import count, pairwise
from pathlib import Path
from typing import Any

from benchmarks.measuring import Figure, administrator, compared, server, show
from regional_assets.store import embedded
from regional_assets.store.settings import StoreSettings

SIZES = (8, 100, 1_000, 10_000)
# The smaller, the more often: each size is measured over some thousands of regions.
MEASURED_REGIONS = 3_000
LEAST_ROUNDS, MOST_ROUNDS = 2, 15
BLOCKING_MS = 10
PHASES = ("reading", "computing", "committing")

# As many SETs as a batch of commits has scripts.
_PIPELINE = 64
# The server's slow log keeps what takes longer than this (µs).
_SLOW_US = 500


@dataclass(frozen=True, slots=True)
class Costs:
    """Of one size: per phase seconds and peak bytes, per region; seconds of the SETs and of the
    commits over the same bodies, round by round; bytes of a body."""

    seconds: Mapping[str, float]
    memory: Mapping[str, float]
    sets_and_commits: Sequence[tuple[float, float]]
    body: float


@dataclass(frozen=True, slots=True)
class Longest:
    """The command that kept the server busy for longest, and how long (ms)."""

    command: str
    milliseconds: float

    def __str__(self) -> str:
        return f"{self.milliseconds:.1f} ms ({self.command})"


def figures() -> list[Figure]:
    """Each size in a process of its own, because each has a geography of its own."""
    costs: dict[int, Costs] = {}
    longest: dict[int, Longest] = {}
    with server() as settings, administrator(settings) as admin:
        admin.config_set("slowlog-log-slower-than", _SLOW_US)
        admin.config_set("slowlog-max-len", 100_000)
        for size in SIZES:
            admin.flushall()
            admin.slowlog_reset()
            said = subprocess.run(
                [sys.executable, "-m", "benchmarks.scale", str(size), str(settings.state_dir)],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            ).stdout
            costs[size] = Costs(**json.loads(said))
            longest[size] = _longest(admin.slowlog_get(100_000))
    return [
        *_per_region("time", "µs", 1e6, {size: c.seconds for size, c in costs.items()}),
        *_per_region("memory", "kB", 1e-3, {size: c.memory for size, c in costs.items()}),
        *_throughput(costs),
        *(_blocking(size, found) for size, found in longest.items()),
    ]


def _per_region(
    name: str, unit: str, factor: float, costs: Mapping[int, Mapping[str, float]]
) -> Iterator[Figure]:
    for phase in PHASES:
        found = {size: cost[phase] for size, cost in costs.items()}
        # Below a hundred regions, what is done once for all is most of it.
        worst = max(found[size] / found[100] for size in SIZES if size > 100)
        yield Figure(
            f"{phase.capitalize()}, {name} per region",
            ", ".join(f"{found[size] * factor:,.0f} {unit} of {size:,}" for size in SIZES),
            "from 100 on at most 1.25 times that of 100",
            worst <= 1.25,
        )


def _throughput(costs: Mapping[int, Costs]) -> Iterator[Figure]:
    for size, cost in costs.items():
        if size < 100:
            continue
        rates = compared([(commit, sets) for sets, commit in cost.sets_and_commits])
        yield Figure(
            f"Commits / plain SETs of the same bytes, {size:,} regions",
            f"{rates}: {size / rates.baseline:,.0f} commits a second, "
            f"{cost.body / 1000:.1f} kB stored twice each",
            "at least 0.5",
            rates.ratio >= 0.5,
        )


def _longest(entries: Sequence[Mapping[str, Any]]) -> Longest:
    found = [
        Longest(entry["command"].split(b" ")[0].decode(), entry["duration"] / 1000)
        for entry in entries
        # The measurement's own.
        if not entry["command"].startswith((b"FLUSHALL", b"SLOWLOG", b"MSET"))
    ]
    nothing = Longest(f"nothing above {_SLOW_US / 1000} ms", 0)
    return max(found, key=lambda longest: longest.milliseconds, default=nothing)


def _blocking(size: int, longest: Longest) -> Figure:
    return Figure(
        f"Longest command in the server's slow log, {size:,} regions",
        str(longest),
        f"at most {BLOCKING_MS} ms",
        longest.milliseconds <= BLOCKING_MS,
    )


def measure(size: int, state_dir: Path) -> Costs:
    """The costs of `size` regions, on the running server."""
    from benchmarks.generated_geography import install

    regions = install(size)

    # Only now: these know the geography that is installed.
    from benchmarks.generated_geography import inputs
    from regional_assets.clock import current_time
    from regional_assets.snapshot_run import take_snapshots
    from regional_assets.store.connection import connect
    from regional_assets.store.snapshot_store import SnapshotStore

    class Watched(SnapshotStore):
        """Tells when a run reads and when it commits."""

        def read(self, *args: Any, **options: Any) -> Any:
            passed()
            found = super().read(*args, **options)
            passed()
            return found

        def commit(self, *args: Any, **options: Any) -> Any:
            passed()
            replies = super().commit(*args, **options)
            passed()
            return replies

    moments: list[Moment] = []

    def passed() -> None:
        moments.append(Moment.now())

    def run() -> tuple[list[Moment], list[bytes]]:
        gc.collect()
        moments.clear()
        result = take_snapshots(store, regions, next(times), force=True)
        assert not result.failed, result.failed[0].error
        return moments.copy(), [r.snapshot.body for r in result.regions if r.snapshot]

    settings = StoreSettings(state_dir, embedded.url(state_dir))
    store = Watched(connect(settings), settings)
    now = current_time()
    times = count(now)
    store.write_inputs(inputs(regions, now))
    # The first one has nothing to compare with, and loads what is loaded once.
    _, bodies = run()
    seconds: list[list[float]] = []
    sets_and_commits: list[tuple[float, float]] = []
    for _ in range(max(LEAST_ROUNDS, min(MOST_ROUNDS, MEASURED_REGIONS // size))):
        at, bodies = run()
        seconds.append([after.seconds - before.seconds for before, after in pairwise(at)])
        sets_and_commits.append((_set(settings, bodies), seconds[-1][-1]))
    tracemalloc.start()
    at, _ = run()
    tracemalloc.stop()
    memory = [after.peak - before.held for before, after in pairwise(at)]
    return Costs(
        {
            phase: statistics.median(taken) / size
            for phase, taken in zip(PHASES, zip(*seconds, strict=True), strict=True)
        },
        {phase: peak / size for phase, peak in zip(PHASES, memory, strict=True)},
        sets_and_commits,
        statistics.mean(map(len, bodies)),
    )


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


def _set(settings: StoreSettings, bodies: Sequence[bytes]) -> float:
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
        connection.connect(str(embedded.socket_path(settings.state_dir)))
        started = time.perf_counter()
        for batch, expected in batches:
            connection.sendall(batch)
            answered = 0
            while answered < expected * len(b"+OK\r\n"):
                answered += len(connection.recv(1 << 16))
        return time.perf_counter() - started


if __name__ == "__main__":
    if len(sys.argv) == 1:
        show(figures())
    else:
        print(json.dumps(asdict(measure(int(sys.argv[1]), Path(sys.argv[2])))))
