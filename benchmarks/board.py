"""The board of eight regions with a month of snapshots, four a day: read from the server, worked
out, written as HTML; beside parsing all the bodies it reads and no more."""

import json
from functools import partial

from benchmarks.generated_inputs import NOW, TYPICAL, generated_inputs
from benchmarks.measuring import Figure, paired, server, show
from regional_assets.board.page import make_board
from regional_assets.intelligence.model import BUILT_IN
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.store.past import read_bodies
from regional_assets.store.snapshot_store import SnapshotStore

_DAYS = 30
_A_DAY = 4
_STEP = 86_400_000 // _A_DAY


def figures() -> list[Figure]:
    """The time of a page, its size, and its ratio to parsing."""
    with server() as settings:
        store = SnapshotStore.open(BUILT_IN, settings)
        store.write_inputs(generated_inputs(TYPICAL))
        for run in reversed(range(_DAYS * _A_DAY)):
            take_snapshots(store, BUILT_IN.region_ids, NOW - run * _STEP, force=True)
        board, page = make_board(store, BUILT_IN.region_ids, NOW)
        ids = [day.meta.snapshot_id for card in board.cards for day in card.record.days]
        bodies = [body for body in read_bodies(store, ids) if body]
        ours = partial(make_board, store, BUILT_IN.region_ids, NOW)
        found = paired(partial(_parsed, bodies), ours, rounds=20)
        store.client.close()
    fast, slow = (f"{quartile * 1000:.0f}" for quartile in found.quartiles)
    return [
        Figure(
            f"The board of eight regions, {len(bodies)} snapshots of a month",
            f"{found.ours * 1000:.0f} ms",
            "at most 500 ms",
            found.ours <= 0.5,
            "whole",
            f"{fast}–{slow}, {len(page) / 1000:.0f} kB of HTML",
        ),
        Figure(
            f"Ours / parsing these {sum(map(len, bodies)) / 1e6:.1f} MB with `json`", str(found)
        ),
    ]


def _parsed(bodies: list[bytes]) -> None:
    for body in bodies:
        json.loads(body)


if __name__ == "__main__":
    show(figures())
