"""The run worker is killed (SIGKILL) at any moment of a run, and the run is repeated."""

import json
import time
import uuid
from collections import Counter
from pathlib import Path
from random import Random

import dagster as dg
import pytest
import redis

from regional_assets.runs.clock import current_time
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets.store.verification import verify
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.processes import running
from regional_assets_tests.support.proxy import Proxy, Stop, proxy
from regional_assets_tests.support.stored import (
    bodies,
    indexed,
    latest_id,
    should_be_told,
    told,
    unknown_keys,
)
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.waiting import LONG, eventually
from regional_assets_tests.support.worker import PROCESSES, snapshot_job
from regional_assets_tests.support.worlds import KEY, sample_values

REPETITIONS = 200 if LONG else 4

# When a worker is killed: at a random time, or when a random share of what it sends, or of what it
# is answered, has passed. Most of what it sends are its commits.
KINDS = ("time", "requests", "replies", "requests", "time")

# Without these the regions look very different: other regimes, no active trigger.
TELLING = [KEY[name] for name in ("risk_scores", "forecasts", "chokepoints", "macro_signals")]


class Worker:
    """Starts runs whose connection goes through `between`."""

    def __init__(self, between: Proxy, home: Path) -> None:
        self.between = between
        self.home = home
        started = time.monotonic()
        assert self.finish() == 0
        self.seconds = time.monotonic() - started
        self.request_bytes = between.request_bytes
        self.reply_bytes = between.reply_bytes

    def finish(self) -> int | None:
        """A run that nobody disturbs; its exit code."""
        with running(PROCESSES.Process(target=snapshot_job, args=self._arguments())) as process:
            process.join()
            return process.exitcode

    def be_killed(self, kind: str, moments: Random) -> str:
        """A run that is killed at a random moment of that kind; its id."""
        stop = None
        if kind != "time":
            of = self.request_bytes if kind == "requests" else self.reply_bytes
            stop = Stop(moments.randrange(of), in_replies=kind == "replies", frozen=True)
        self.between.stop = stop
        arguments = self._arguments()
        with running(PROCESSES.Process(target=snapshot_job, args=arguments)) as process:
            if stop:
                eventually(lambda: stop.reached.is_set() or not process.is_alive())
            else:
                process.join(moments.uniform(0, self.seconds))
        self.between.stop = None
        return arguments[2]

    def _arguments(self) -> tuple[str, Path, str]:
        return self.between.url, self.home, str(uuid.uuid4())


@pytest.fixture
def client(store: SnapshotStore) -> redis.Redis:
    """The server's client, with a first snapshot of every region, so that the scripts are known."""
    store.write_inputs(sample_values(current_time()))
    assert not take_snapshots(store, REGION_IDS, current_time()).failed
    return store.client


def change_inputs(client: redis.Redis, number: int) -> None:
    """Every region's content changes with every number; alerts may be told anew."""
    now = current_time()
    values = dict(sample_values(now))
    client.delete(keys.alert_queue, *client.scan_iter("wm:notif:scan-dedup:*"))
    for key in () if number % 2 else TELLING:
        values[key] = json.dumps({"fetchedAt": now}).encode()
    client.mset(values)


def commits(client: redis.Redis) -> int:
    return sum(client.zcard(keys.index(region)) for region in REGION_IDS)


def test_killed_at_any_moment_and_run_again(
    server_url: str, client: redis.Redis, folder: Path
) -> None:
    moments = Random(4)
    done: Counter[int] = Counter()
    alerts = 0
    home = folder / "dagster"
    home.mkdir()
    with (
        proxy(folder, server_url) as between,
        dg.DagsterInstance.local_temp(str(home)) as instance,
    ):
        change_inputs(client, 0)
        connections = len(client.client_list())
        worker = Worker(between, home)
        for number in range(1, REPETITIONS + 1):
            change_inputs(client, number)
            before = {region: indexed(client, region) for region in REGION_IDS}
            killed_run = worker.be_killed(KINDS[number % len(KINDS)], moments)
            # What the server had already received it may still do.
            eventually(lambda: len(client.client_list()) <= connections)

            assert agrees(client)
            done[commits(client) - sum(map(len, before.values()))] += 1
            assert materialised(instance, killed_run) <= {
                snapshot_id for region in REGION_IDS for snapshot_id in indexed(client, region)
            }

            assert worker.finish() == 0
            assert agrees(client)
            for region, ids in before.items():
                now = indexed(client, region)
                assert now[:-1] == ids
                expected = should_be_told(region, bodies(client, now[-2:]))
                found = told(client, region)
                assert found.alerts == expected.alerts
                assert [i for i in found.history if i == now[-1]] == expected.history
                alerts += len(found.alerts)
            assert_summary_is_of_latest(client)
        for region in REGION_IDS:
            chain = should_be_told(region, [None, *bodies(client, indexed(client, region))])
            assert told(client, region).history == chain.history
    assert unknown_keys(client) == set()
    # The moments were such that something could have gone wrong.
    assert alerts >= REPETITIONS
    in_part = sum(count for regions, count in done.items() if 0 < regions < len(REGION_IDS))
    assert in_part >= max(1, REPETITIONS // 5)
    print(f"{REPETITIONS} kills; regions committed by then: {dict(sorted(done.items()))}")


def agrees(client: redis.Redis) -> bool:
    return not any(verify(client, keys, MODEL, REGION_IDS, current_time()).values())


def materialised(instance: dg.DagsterInstance, run_id: str) -> set[str]:
    """The snapshots that Dagster says are stored."""
    found = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    materialisations = [entry.asset_materialization for entry in found]
    return {str(m.metadata["snapshot_id"].value) for m in materialisations if m and m.partition}


def assert_summary_is_of_latest(client: redis.Redis) -> None:
    summary = json.loads(client.get(keys.summary) or b"")
    latest = [latest_id(client, region) or "" for region in REGION_IDS]
    stored = [json.loads(body) for body in bodies(client, latest)]
    assert [row["regime"] for row in summary["regions"]] == [s["regime"]["label"] for s in stored]
    assert summary["generatedAt"] >= max(s["generated_at"] for s in stored)
