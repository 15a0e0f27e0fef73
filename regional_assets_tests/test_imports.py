"""Imports go one way (DESIGN), and definitions load without what only tables need."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import regional_assets

ROOT = Path(regional_assets.__file__).parent

# What puts the rooms below it together.
ABOVE = (
    "regional_assets.assets", "regional_assets.automation", "regional_assets.resources",
    "regional_assets.snapshot_run", "regional_assets.brief_run", "regional_assets.narration",
)  # fmt: skip

# What each room may not import.
FORBIDDEN = {
    "intelligence": (
        "dagster", "redis", "os", "time", "pandas", "click", "rich", "openai",
        "regional_assets.store", "regional_assets.narrative", *ABOVE,
    ),
    "store": (
        "dagster", "pandas", "click", "rich", "openai", "regional_assets.narrative", *ABOVE,
    ),
    "narrative": (
        "dagster", "redis", "pandas", "click", "rich", "regional_assets.store", *ABOVE,
    ),
    "assets": ("regional_assets.automation", "regional_assets.definitions", "click", "rich"),
    "automation": ("regional_assets.definitions", "click", "rich"),
}  # fmt: skip


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_imports_go_one_way() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for room, forbidden in FORBIDDEN.items()
        for path in (ROOT / room).rglob("*.py")
        for name in imported(path)
        if any(name == bad or name.startswith(f"{bad}.") for bad in forbidden)
    ]
    assert wrong == []


def test_the_domain_reads_no_clock() -> None:
    calls = [
        f"{path.name}: {node.attr}"
        for path in (ROOT / "intelligence").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr in ("now", "utcnow", "today")
        # `world.now` is the run's time, an argument.
        and not (
            isinstance(node.value, ast.Name | ast.Attribute) and "world" in ast.dump(node.value)
        )
        and not (isinstance(node.value, ast.Name) and node.value.id == "transit")
    ]
    assert calls == []


def test_definitions_load_without_what_only_some_runs_need() -> None:
    """Pandas is for tables; the client of language models for runs with narratives. Redis and what
    computes every run needs, but not the webserver's and the daemon's questions to the code
    server."""
    code = """
import sys, threading
from regional_assets.definitions import defs
later = {"pandas", "openai", "httpx2", "redis", "tabulate", "msgspec", "ahocorasick_rs"}
print(later & set(sys.modules))
print(defs.resources["narrator"].open(), threading.active_count())
print({"openai", "httpx2"} & set(sys.modules))
"""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("REGIONAL_NARRATIVE_")}
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    ).stdout
    assert printed == "set()\nNone 1\nset()\n"
