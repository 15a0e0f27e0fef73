"""Run as a program in a mount namespace of its own: snapshots on the embedded server until its disk
(a tmpfs of 2 MB) is full; prints what happened as JSON."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from regional_assets.cli.main import main as command
from regional_assets.redis_link import embedded, folders
from regional_assets.runs.snapshots import take_snapshots
from regional_assets.settings import StoreSettings
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.worlds import NOW, sample_values


def experiment(disk: Path) -> dict[str, Any]:
    state = disk / "state"
    settings = StoreSettings(state, retries=0)
    os.environ["REGIONAL_STATE_DIR"] = str(state)
    (disk / "other-data").write_bytes(bytes(300_000))
    acknowledged: list[str] = []
    errors: set[str] = set()

    def run(at: int) -> None:
        with contextlib.closing(SnapshotStore.open(MODEL, settings).client) as client:
            result = take_snapshots(
                SnapshotStore(client, MODEL, settings), REGION_IDS, at, force=True
            )
        acknowledged.extend(
            r.snapshot.snapshot_id for r in result.regions if r.snapshot and r.outcome == "written"
        )
        errors.update(r.error or "" for r in result.failed)

    with contextlib.closing(SnapshotStore.open(MODEL, settings).client) as client:
        SnapshotStore(client, MODEL, settings).write_inputs(sample_values())
    at = NOW
    while not errors:
        run(at)
        at += 1000

    store = SnapshotStore.open(MODEL, settings)
    found = {
        "errors": sorted(errors),
        "acknowledged": len(acknowledged),
        "lost": [i for i in acknowledged if not store.client.exists(keys.snapshot_by_id(i))],
        "disagreements": [p for ps in store.verify(REGION_IDS, at).values() for p in ps],
        "probe": folders.write_problem(state),
    }
    store.client.close()
    said = CliRunner().invoke(command, ["run"])
    found |= {"command": said.output, "exit_code": said.exit_code}

    (disk / "other-data").unlink()
    errors.clear()
    run(at)
    with contextlib.closing(SnapshotStore.open(MODEL, settings).client) as client:
        store = SnapshotStore(client, MODEL, settings)
        found |= {"errors_with_room": sorted(errors)}
        found |= {"after": [p for ps in store.verify(REGION_IDS, at).values() for p in ps]}
    return found


def main() -> None:
    disk = Path(sys.argv[1])
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=True)
    try:
        print(json.dumps(experiment(disk)))
    finally:
        embedded.stop(disk / "state")


if __name__ == "__main__":
    main()
