"""Eight snapshots from inputs in memory to bodies ready to commit, at three sizes: against parsing
the inputs and no more, and against a version that shares nothing between regions.

Times are the processor's, so that other processes change them little."""

import json
import multiprocessing
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from time import process_time

from benchmarks.generated_inputs import LARGE, NOW, TYPICAL, generated_inputs
from benchmarks.measuring import Comparison, Figure, paired, show
from regional_assets.intelligence.diff import read_previous
from regional_assets.intelligence.inputs import StoredValue
from regional_assets.intelligence.model import BUILT_IN
from regional_assets.intelligence.snapshot import assess, complete, region_content
from regional_assets.intelligence.world import build_world
from regional_assets.runs.input_files import SAMPLE_INPUTS, read_input_files
from regional_assets.runs.snapshots import uncollected
from regional_assets.store.wire import encode

# Of the large inputs; each has twice the records of the one before.
GROWTH = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1)

# Linux tells there what of a process is, and was at most, in memory.
_STATUS = Path("/proc/self/status")

_paired = partial(paired, clock=process_time)

# The job that is replaced cannot be run here. These were measured beside it in November 2026, on a
# quiet machine, with the code of that time.
_REFERENCE = [
    Figure("The job that is replaced, typical, stated in November 2026", "14.7 ms; ours 17.3 ms"),
    Figure("The job that is replaced, large, stated in November 2026", "1,168 ms; ours 459 ms"),
    Figure(
        "The whole job at 100 ms per round trip, stated in November 2026", "4,652 ms; ours 248 ms"
    ),
]

Stored = Mapping[str, StoredValue]
Bodies = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Measured:
    """Inputs of one size: their bytes, and how long ours takes beside the other two."""

    size: int
    parsing: Comparison
    unshared: Comparison


def figures() -> list[Figure]:
    """Time at each size, growth from size to size, memory."""
    # Over some seconds each: a machine of which others use a part changes its speed.
    small = measured(read_input_files(BUILT_IN, SAMPLE_INPUTS, NOW), rounds=300)
    typical = measured(generated_inputs(TYPICAL), rounds=300)
    large = measured(generated_inputs(LARGE), rounds=10)
    return [
        _time("samples", small),
        _time("typical", typical, at_most=0.010),
        _time("large", large),
        *(
            Figure(f"Ours / once per region, {name}", str(found.unshared))
            for name, found in (("samples", small), ("typical", typical), ("large", large))
        ),
        *(
            Figure(
                f"Ours / parsing alone, {name}",
                str(found.parsing),
                "at most 3",
                found.parsing.ratio <= 3,
                "inside" if name == "typical" else None,
            )
            for name, found in (("typical", typical), ("large", large))
        ),
        *_REFERENCE,
        _growth(),
        *([_memory()] if _STATUS.exists() else []),
    ]


def measured(values: Mapping[str, bytes], rounds: int) -> Measured:
    """How long it takes with these inputs; from the second run on, each compares its snapshots
    with those of the run before."""
    stored = _stored(values)
    bodies = ours(stored, {})
    return Measured(
        sum(map(len, values.values())),
        _paired(partial(parsing, values), partial(ours, stored, bodies), rounds),
        _paired(partial(unshared, stored, bodies), partial(ours, stored, bodies), rounds // 3),
    )


@uncollected()
def ours(stored: Stored, before: Bodies) -> Bodies:
    """What a run does between the read's reply and the commit."""
    assessment = assess(build_world(BUILT_IN, stored, NOW))
    return {
        region: encode(
            complete(
                region_content(assessment, region),
                read_previous(region, "before", before[region], BUILT_IN.stored_versions)
                if before
                else None,
                f"snapshot-{region}",
            ).body
        )
        for region in BUILT_IN.region_ids
    }


@uncollected()
def unshared(stored: Stored, before: Bodies) -> Bodies:
    """The same, straightforward: each region from the inputs anew."""
    return {
        region: encode(
            complete(
                region_content(assess(build_world(BUILT_IN, stored, NOW)), region),
                read_previous(region, "before", before[region], BUILT_IN.stored_versions),
                f"snapshot-{region}",
            ).body
        )
        for region in BUILT_IN.region_ids
    }


def parsing(values: Mapping[str, bytes]) -> None:
    """Parses all inputs with the standard library, one after the other, and no more."""
    for value in values.values():
        json.loads(value)


def _stored(values: Mapping[str, bytes]) -> Stored:
    return {key: StoredValue(value) for key, value in values.items()}


def _time(name: str, found: Measured, at_most: float | None = None) -> Figure:
    seconds = found.parsing.ours
    fast, slow = (f"{quartile * 1000:.1f}" for quartile in found.parsing.quartiles)
    return Figure(
        f"All eight regions, {name} ({found.size / 1000:,.0f} kB)",
        f"{seconds * 1000:.1f} ms",
        "" if at_most is None else f"at most {at_most * 1000:g} ms",
        None if at_most is None else seconds <= at_most,
        detail=f"{fast}–{slow}, of which parsing {found.parsing.baseline * 1000:.1f} ms; "
        f"once per region {found.unshared.baseline * 1000:.1f} ms",
    )


def _growth() -> Figure:
    """Each size beside the one of half as many records."""
    series = [_stored(generated_inputs(LARGE.times(factor))) for factor in GROWTH]
    sizes = [sum(len(value.data or b"") for value in stored.values()) for stored in series]
    steps = [_paired(partial(ours, a, {}), partial(ours, b, {}), 9) for a, b in pairwise(series)]
    grown = [
        step.ratio / (after / before)
        for step, (before, after) in zip(steps, pairwise(sizes), strict=True)
    ]
    return Figure(
        f"Time when {', '.join(f'{size / 1e6:.1f}' for size in sizes)} MB follow one another",
        ", ".join(f"{step} times, {step.ours * 1000:.0f} ms" for step in steps),
        "no more than the bytes grow, to within a tenth",
        max(grown) <= 1.1,
    )


def _memory() -> Figure:
    """In a process of its own, which finds the large inputs in files: who makes them needs more
    memory than who reads them."""
    values = generated_inputs(LARGE)
    with (
        tempfile.TemporaryDirectory() as name,
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process,
    ):
        for number, (key, value) in enumerate(values.items()):
            (Path(name) / f"{number:02d} {key}").write_bytes(value)
        size, peak = process.submit(_peak, Path(name)).result()
    return Figure(
        "Peak memory beyond the inputs, large",
        f"{peak / size:.2f} times their bytes",
        "under 4",
        peak / size < 4,
        "inside",
        f"{peak / 1e6:.0f} MB",
    )


def _peak(folder: Path) -> tuple[int, int]:
    """Bytes of the inputs in `folder`, and by how many resident memory grows at most while their
    snapshots are computed."""
    ours({}, {})
    stored = {
        path.name.partition(" ")[2]: StoredValue(path.read_bytes()) for path in folder.iterdir()
    }
    before = _resident("VmRSS")
    ours(stored, {})
    return sum(len(value.data or b"") for value in stored.values()), _resident("VmHWM") - before


def _resident(field: str) -> int:
    return int(_STATUS.read_text().partition(f"{field}:")[2].split()[0]) * 1024


if __name__ == "__main__":
    show(figures())
