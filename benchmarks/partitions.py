"""What Dagster takes for a thousand partitions in one run, with its storage on PostgreSQL: the
snapshot job beside an asset of as many partitions that does nothing.

It fills the database of deploy/example.env (`DAGSTER_POSTGRES_...`), an empty one of its own.
"""

import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from benchmarks.generated_model import generated, inputs
from benchmarks.idle import alone
from benchmarks.measuring import Figure, server, show
from regional_assets.definitions import definitions
from regional_assets.defs.jobs import SNAPSHOT_JOB
from regional_assets.defs.partitions import range_tags
from regional_assets.runs.clock import current_time
from regional_assets.store.snapshot_store import SnapshotStore

PARTITIONS = 1_000

_CONFIGURATION = Path(__file__).parent.parent / "deploy" / "dagster.yaml"
_PLANNED = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
_MATERIALISED = dg.DagsterEventType.ASSET_MATERIALIZATION


def figures() -> list[Figure]:
    """One run each, with a model of its own."""
    model = generated(PARTITIONS)
    ours = definitions(model).resolve_job_def(SNAPSHOT_JOB)
    idle = alone.definitions(model.regions).resolve_job_def("idle_job")
    every = range_tags(*model.region_ids)
    force = {"ops": {"regional_snapshots": {"config": {"force": True}}}}
    with server() as settings, tempfile.TemporaryDirectory() as folder:
        os.environ |= {"REDIS_URL": settings.redis_url or "", "REGIONAL_STATE_DIR": folder}
        with SnapshotStore.open(model, settings).client as client:
            values = inputs(model, current_time())
            SnapshotStore(client, model, settings).write_inputs(values)
        home = Path(folder) / "home"
        home.mkdir()
        (home / "dagster.yaml").write_text(_CONFIGURATION.read_text())
        with dg.DagsterInstance.from_config(str(home)) as instance:
            batched = _run(instance, idle, every, {})
            own = _run(instance, ours, every, force)
            # As Dagster's own storage does, and Dagster by itself.
            os.environ["DAGSTER_EVENT_BATCH_SIZE"] = "0"
            nothing = _run(instance, idle, every, {})
    ratio = own["whole"] / nothing["whole"]
    return [
        Figure(
            f"A run over {PARTITIONS:,} regions / run of an asset that does nothing",
            f"{ratio:.2f}, one pair",
            "at most 1.25",
            ratio <= 1.25,
        ),
        Figure(
            f"One run over {PARTITIONS:,} regions",
            _seconds(own),
            "at most 15 s",
            own["whole"] <= 15,
            "whole",
            _stages(own),
        ),
        Figure(
            "A run of nothing over as many, in batches",
            _seconds(batched),
            detail=_stages(batched),
        ),
        Figure(
            "A run of nothing over as many, as Dagster stores it",
            _seconds(nothing),
            detail=_stages(nothing),
        ),
    ]


def _run(
    instance: dg.DagsterInstance,
    job: dg.JobDefinition,
    tags: Mapping[str, str],
    config: Mapping[str, Any],
) -> dict[str, float]:
    """Seconds: of the whole run, of its planned partitions, of their materialisations."""
    started = time.perf_counter()
    result = job.execute_in_process(instance=instance, tags=dict(tags), run_config=dict(config))
    found = {"whole": time.perf_counter() - started}
    for name, kind in (("planned", _PLANNED), ("materialised", _MATERIALISED)):
        times = [entry.timestamp for entry in instance.all_logs(result.run_id, of_type=kind)]
        assert len(times) >= PARTITIONS, f"{len(times)} partitions {name}"
        found[name] = max(times) - min(times)
    return found


def _seconds(taken: Mapping[str, float]) -> str:
    return f"{taken['whole']:.1f} s"


def _stages(taken: Mapping[str, float]) -> str:
    return (
        f"of which {taken['planned']:.1f} s from the first planned partition to the last, "
        f"{taken['materialised']:.1f} s from the first materialisation to the last"
    )


if __name__ == "__main__":
    show(figures())
