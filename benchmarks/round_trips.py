"""What a run over all regions waits for the network: the loop that is replaced, in sequence and
in threads, against ours, with a server 100 ms away."""

import gc
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count

import redis

from benchmarks.distant import ROUND_TRIP, Distant, Traffic, distant
from benchmarks.measuring import Figure, administrator, commands, compared, server, show
from benchmarks.old_way import take_snapshots_in_sequence, take_snapshots_in_threads
from regional_assets.intelligence.model import BUILT_IN
from regional_assets.redis_link import embedded
from regional_assets.runs.clock import current_time
from regional_assets.runs.input_files import SAMPLE_INPUTS, read_input_files
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.settings import StoreSettings
from regional_assets.store.connection import connect
from regional_assets.store.snapshot_store import SnapshotStore

ROUNDS = 5

# A process that knows nothing yet; all that it prints is which regions failed.
_COLD = """
from regional_assets.intelligence.model import BUILT_IN
from regional_assets.runs.clock import current_time
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.settings import StoreSettings
from regional_assets.store.snapshot_store import SnapshotStore
store = SnapshotStore.open(BUILT_IN, StoreSettings.from_environment())
result = take_snapshots(store, BUILT_IN.region_ids, current_time(), force=True)
print(*[region.error for region in result.failed])
"""


def figures() -> list[Figure]:
    """Each way: time, the round trips it waited for, commands, bytes."""
    with (
        server() as settings,
        distant(
            settings.state_dir / "distant.sock", embedded.socket_path(settings.state_dir)
        ) as proxy,
        administrator(settings) as near,
        connect(StoreSettings(settings.state_dir, proxy.url)) as client,
        ThreadPoolExecutor(len(BUILT_IN.region_ids)) as threads,
    ):
        store = SnapshotStore(client, BUILT_IN, settings)
        times = count(current_time())
        store.write_inputs(read_input_files(BUILT_IN, SAMPLE_INPUTS, current_time()))

        def ours() -> None:
            result = take_snapshots(store, BUILT_IN.region_ids, next(times), force=True)
            assert all(region.outcome == "written" for region in result.regions)

        def cold() -> None:
            _in_new_process(proxy.url)

        def first_ever() -> None:
            near.script_flush()
            _in_new_process(proxy.url)

        ways: dict[str, Callable[[], None]] = {
            "old": lambda: take_snapshots_in_sequence(client, next(times)),
            "threads": lambda: take_snapshots_in_threads(client, next(times), threads),
            "ours": ours,
            "cold": cold,
            "first": first_ever,
        }
        taken: dict[str, list[Passage]] = {name: [] for name in ways}
        # Round by round, so that all meet the machine in the same states; the first one warms.
        for _ in range(ROUNDS + 1):
            for name, way in ways.items():
                if way is ours:
                    # The loop leaves no copies of the latest snapshots, which the next run fetches.
                    way()
                taken[name].append(_measured(way, proxy, near))
    return _rows({name: passages[1:] for name, passages in taken.items()})


@dataclass(frozen=True, slots=True)
class Passage:
    """One run as the proxy and the server saw it: what passed, and how many commands the client
    sent."""

    traffic: Traffic
    commands: int


def _measured(way: Callable[[], None], proxy: Distant, near: redis.Redis) -> Passage:
    gc.collect()
    near.config_resetstat()
    proxy.reset()
    way()
    traffic = proxy.traffic
    found = commands(near)
    return Passage(traffic, sum(found.calls[name] for name in found.sent))


def _in_new_process(url: str) -> None:
    said = subprocess.run(
        [sys.executable, "-c", _COLD],
        env={**os.environ, "REDIS_URL": url},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    assert not said.strip(), said


def _rows(taken: dict[str, list[Passage]]) -> list[Figure]:
    def row(name: str, way: str, goal: float | None = None, *, paged: bool = True) -> Figure:
        passages = taken[way]
        low, seconds, high = statistics.quantiles(
            [passage.traffic.seconds for passage in passages], method="inclusive"
        )
        # Counts are the same in every round.
        traffic = passages[-1].traffic
        trips = seconds / ROUND_TRIP
        return Figure(
            name,
            f"{trips:.2f} round trips",
            "" if goal is None else f"at most {goal:g}",
            None if goal is None else trips <= goal,
            "inside" if paged else None,
            f"{low / ROUND_TRIP:.2f}–{high / ROUND_TRIP:.2f} of 100 ms; "
            f"{traffic.round_trips} waited for, {passages[-1].commands} commands, "
            f"{traffic.sent / 1000:.0f} kB sent, {traffic.received / 1000:.0f} kB received",
        )

    def ratio(name: str, way: str) -> Figure:
        pairs = zip(taken[way], taken["ours"], strict=True)
        return Figure(name, str(compared((a.traffic.seconds, b.traffic.seconds) for a, b in pairs)))

    return [
        row("The loop, region after region", "old"),
        row("The same loop, 8 threads", "threads", paged=False),
        row("Ours, warm", "ours", 2.3),
        ratio("Ours / the loop in sequence", "old"),
        ratio("Ours / the loop in threads", "threads"),
        row("Ours, new process", "cold", 5),
        row("Ours, new process, server without the scripts", "first", 5, paged=False),
    ]


if __name__ == "__main__":
    show(figures())
