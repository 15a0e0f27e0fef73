"""What the server does for a snapshot: commands, bytes on the wire, what it stores and logs; the
loop that is replaced against ours, over the same inputs."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import redis

from benchmarks.measuring import Figure, administrator, commands, server, show
from benchmarks.old_way import take_snapshots_in_sequence
from regional_assets.intelligence.model import BUILT_IN
from regional_assets.runs.clock import current_time
from regional_assets.runs.input_files import SAMPLE_INPUTS, read_input_files
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store.snapshot_store import SnapshotStore

# Enough for what is stored once per region to be a small part.
RUNS = 20

_ON_PAGE = ("Time that the server is busy", "Bytes held in memory")


@dataclass(frozen=True, slots=True)
class Work:
    """Per snapshot: commands sent and run, microseconds the server was busy with them, bytes to
    and from the server, bytes it holds in memory and appended to its log; the body's bytes."""

    sent: float
    ran: float
    busy: float
    received: float
    replied: float
    stored: float
    logged: float
    body: float


def figures() -> list[Figure]:
    """Per snapshot, over runs that write all eight regions."""
    with (
        server() as settings,
        administrator(settings) as admin,
        SnapshotStore.open(BUILT_IN, settings).client as client,
    ):
        store = SnapshotStore(client, BUILT_IN, settings)
        times = count(current_time())

        def ours() -> None:
            assert not take_snapshots(store, BUILT_IN.region_ids, next(times), force=True).failed

        old = _work(lambda: take_snapshots_in_sequence(client, next(times)), store, admin)
        new = _work(ours, store, admin)
    rows = (
        ("Commands sent", "{:.1f}", old.sent, new.sent),
        ("Commands that the server runs", "{:.1f}", old.ran, new.ran),
        ("Time that the server is busy", "{:.0f} µs", old.busy, new.busy),
        ("Bytes sent to the server", "{:,.0f}", old.received, new.received),
        ("Bytes sent by the server", "{:,.0f}", old.replied, new.replied),
        ("Bytes held in memory", "{:,.0f}", old.stored, new.stored),
        ("Bytes appended to the server's log", "{:,.0f}", old.logged, new.logged),
    )
    # Beyond the body: the names of the keys, small arguments, an eighth of what reading sends.
    body_sent = new.received / new.body
    return [
        *(
            Figure(
                f"{name}, per snapshot",
                f"{form.format(ours)}; the loop {form.format(loop)}",
                scope="inside" if name in _ON_PAGE else None,
            )
            for name, form, loop, ours in rows
        ),
        Figure(
            "Bytes sent / bytes of the body",
            f"{body_sent:.2f}; the loop {old.received / old.body:.2f}",
            "below 1.5",
            body_sent < 1.5,
            "inside",
        ),
    ]


def _work(run: Callable[[], None], store: SnapshotStore, admin: redis.Redis) -> Work:
    admin.flushall()
    store.write_inputs(read_input_files(BUILT_IN, SAMPLE_INPUTS, current_time()))
    # The first has nothing to compare with and tells of all as new.
    run()
    held, logged = _held(admin), _logged(admin)
    before = _connection(store.client, admin)
    admin.config_resetstat()
    for _ in range(RUNS):
        run()
    after = _connection(store.client, admin)
    ran = commands(admin)
    latest = store.read(BUILT_IN.region_ids, inputs=False).latest.values()
    bodies = [len(found.snapshot.body) for found in latest if found.snapshot]
    snapshots = RUNS * len(BUILT_IN.region_ids)
    return Work(
        sent=sum(ran.calls[name] for name in ran.sent) / snapshots,
        ran=sum(ran.calls.values()) / snapshots,
        # The time of a script holds that of the commands in it.
        busy=sum(ran.busy[name] for name in ran.sent) / snapshots,
        received=(after[0] - before[0]) / snapshots,
        replied=(after[1] - before[1]) / snapshots,
        stored=(_held(admin) - held) / snapshots,
        logged=(_logged(admin) - logged) / snapshots,
        body=sum(bodies) / len(bodies),
    )


def _connection(client: redis.Redis, admin: redis.Redis) -> tuple[int, int]:
    """Bytes that came and went over the one connection of `client`."""
    [found] = admin.client_list(client_id=[client.client_id()])
    return int(found["tot-net-in"]), int(found["tot-net-out"])


def _held(admin: redis.Redis) -> int:
    return sum(admin.memory_usage(key, samples=0) or 0 for key in admin.scan_iter(count=1000))


def _logged(admin: redis.Redis) -> int:
    size = admin.info("persistence")["aof_current_size"]
    assert isinstance(size, int)
    return size


if __name__ == "__main__":
    show(figures())
