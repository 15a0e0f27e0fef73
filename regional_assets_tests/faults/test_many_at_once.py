"""The same partition taken by fifty processes at the same moment."""

from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from random import Random

from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets.store.verification import verify
from regional_assets_tests.support.built_in import MODEL
from regional_assets_tests.support.processes import running
from regional_assets_tests.support.stored import (
    bodies,
    indexed,
    latest_id,
    should_be_told,
    told,
    unknown_keys,
)
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.waiting import LONG
from regional_assets_tests.support.worker import PROCESSES, Taken, take_together
from regional_assets_tests.support.worlds import NOW, sample_values

MANY = 50
# In the short form: of other contents each is computed and compared several times.
FEWER = MANY if LONG else 15
Run = tuple[int, dict[str, object]]


def together(url: str, folder: Path, runs: list[Run]) -> list[Taken]:
    """What became of `mena` in runs at these times with these inputs, each in its process."""
    start, taken = PROCESSES.Barrier(len(runs)), PROCESSES.SimpleQueue()
    with ExitStack() as stack:
        started = [
            stack.enter_context(running(PROCESSES.Process(target=take_together, args=arguments)))
            for now, inputs in runs
            for arguments in [(url, folder, "mena", now, inputs, start, taken)]
        ]
        for process in started:
            process.join()
            assert process.exitcode == 0
    return [taken.get() for _ in started]


def test_the_same_content(store: SnapshotStore, server_url: str, folder: Path) -> None:
    store.write_inputs(sample_values())
    results = together(server_url, folder, [(NOW + number, {}) for number in range(MANY)])
    assert Counter(result.outcome for result in results) == {"written": 1, "duplicate": MANY - 1}
    [only] = indexed(store.client, "mena")
    assert {result.snapshot_id for result in results} == {only}
    found = told(store.client, "mena")
    assert found == should_be_told("mena", [None, *bodies(store.client, [only])])
    assert len(found.alerts) == 4
    assert len(found.history) == 1
    assert verify(store.client, keys, MODEL, ["mena"], NOW) == {"mena": []}
    assert unknown_keys(store.client) == set()


def test_different_content(store: SnapshotStore, server_url: str, folder: Path) -> None:
    """Every one is kept. Those that come when a newer one is stored change nothing else; the
    others make one chain, each compared with the one before it."""
    store.write_inputs(sample_values())
    runs: list[Run] = []
    for number in range(FEWER):
        inputs: dict[str, object] = {"military_flights": flights(number)}
        if number % 2:
            quiet = ("risk_scores", "forecasts", "chokepoints")
            inputs |= {name: {"fetchedAt": NOW} for name in quiet}
        runs.append((NOW + number, inputs))
    Random(5).shuffle(runs)
    results = together(server_url, folder, runs)

    assert Counter(result.outcome for result in results) == {"written": FEWER}, results
    client = store.client
    assert set(indexed(client, "mena")) == {result.snapshot_id for result in results}
    assert len(bodies(client, indexed(client, "mena"))) == FEWER
    newest = max(results, key=lambda result: result.generated_at)
    assert latest_id(client, "mena") == newest.snapshot_id
    in_time = sorted((r for r in results if not r.late), key=lambda result: result.generated_at)
    chain = bodies(client, [result.snapshot_id or "" for result in in_time])
    assert told(client, "mena") == should_be_told("mena", [None, *chain])
    assert verify(client, keys, MODEL, ["mena"], NOW) == {"mena": []}
    assert unknown_keys(client) == set()


def test_different_content_of_the_same_moment(
    store: SnapshotStore, server_url: str, folder: Path
) -> None:
    """None is older than another, so each is compared with the one that came before it."""
    store.write_inputs(sample_values())
    runs: list[Run] = [(NOW, {"military_flights": flights(number)}) for number in range(FEWER)]
    results = together(server_url, folder, runs)
    assert Counter(result.outcome for result in results) == {"written": FEWER}, results
    assert not any(result.late for result in results)
    client = store.client
    assert set(indexed(client, "mena")) == {result.snapshot_id for result in results}
    assert len(bodies(client, indexed(client, "mena"))) == FEWER
    found = told(client, "mena")
    assert len(found.history) == 1
    assert len(found.alerts) == 4
    assert verify(client, keys, MODEL, ["mena"], NOW) == {"mena": []}
    assert unknown_keys(client) == set()


def flights(number: int) -> dict[str, object]:
    return {"flights": [{"lat": 30, "lon": 40}] * number}
