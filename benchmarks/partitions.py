"""What Dagster takes for a thousand partitions in one run, with its storage on PostgreSQL: the
snapshot job beside an asset of as many partitions that does nothing.

It fills the database of deploy/example.env (`DAGSTER_POSTGRES_...`), an empty one of its own.
"""

import multiprocessing
import os
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import dagster as dg

from benchmarks.measuring import Figure, server, show
from regional_assets.runs.chosen_geography import install_chosen
from regional_assets.runs.clock import current_time
from regional_assets.settings import StoreSettings

PARTITIONS = 1_000

_CONFIGURATION = Path(__file__).parent.parent / "deploy" / "dagster.yaml"
_PLANNED = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
_MATERIALISED = dg.DagsterEventType.ASSET_MATERIALIZATION


def figures() -> list[Figure]:
    """In a process of its own, because it has a geography of its own."""
    with (
        server() as settings,
        tempfile.TemporaryDirectory() as folder,
    ):
        environment = {
            "REDIS_URL": settings.redis_url or "",
            "REGIONAL_STATE_DIR": folder,
            "REGIONAL_GEOGRAPHY": "benchmarks.generated_geography:regions",
            "BENCHMARK_REGIONS": str(PARTITIONS),
        }
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            return process.submit(_figures, settings, folder, environment).result()


def _figures(settings: StoreSettings, folder: str, environment: Mapping[str, str]) -> list[Figure]:
    os.environ.update(environment)
    install_chosen()
    # Now, when the geography is installed.
    from benchmarks.generated_geography import inputs
    from benchmarks.idle import alone
    from regional_assets.definitions import defs
    from regional_assets.defs.partitions import ALL_REGIONS
    from regional_assets.intelligence.geography import REGION_IDS
    from regional_assets.store.snapshot_store import SnapshotStore

    assert len(REGION_IDS) == PARTITIONS
    home = Path(folder) / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text(_CONFIGURATION.read_text())
    with SnapshotStore.open(settings).client as client:
        SnapshotStore(client, settings).write_inputs(inputs(REGION_IDS, current_time()))
    ours = defs.resolve_job_def("regional_snapshot_job")
    idle = alone.defs.resolve_job_def("idle_job")
    force = {"ops": {"regional_snapshots": {"config": {"force": True}}}}
    with dg.DagsterInstance.from_config(str(home)) as instance:
        batched = _run(instance, idle, ALL_REGIONS, {})
        own = _run(instance, ours, ALL_REGIONS, force)
        # As Dagster's own storage does, and Dagster by itself.
        os.environ["DAGSTER_EVENT_BATCH_SIZE"] = "0"
        nothing = _run(instance, idle, ALL_REGIONS, {})
    ratio = own["whole"] / nothing["whole"]
    return [
        Figure(
            f"A run over {PARTITIONS:,} regions / run of an asset that does nothing",
            f"{ratio:.2f}, one pair",
            "at most 1.25 times, and 15 s",
            ratio <= 1.25 and own["whole"] <= 15,
        ),
        Figure("The run over regions", _stages(own)),
        Figure("The run of nothing, as Dagster stores it", _stages(nothing)),
        Figure("The run of nothing, in batches as the run over regions", _stages(batched)),
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


def _stages(taken: Mapping[str, float]) -> str:
    return (
        f"{taken['whole']:.1f} s, of which {taken['planned']:.1f} s from the first planned "
        f"partition to the last, {taken['materialised']:.1f} s from the first materialisation to "
        "the last"
    )


if __name__ == "__main__":
    show(figures())
