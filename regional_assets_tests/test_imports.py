"""Imports go one way (DESIGN), and definitions load without what only tables need."""

import ast
import subprocess
import sys
from pathlib import Path

import regional_assets

ROOT = Path(regional_assets.__file__).parent

# What each room may not import.
FORBIDDEN = {
    "intelligence": (
        "dagster", "redis", "os", "time", "pandas", "click", "rich",
        "regional_assets.store", "regional_assets.assets", "regional_assets.automation",
        "regional_assets.resources", "regional_assets.snapshot_run",
    ),
    "store": (
        "dagster", "pandas", "click", "rich",
        "regional_assets.assets", "regional_assets.automation", "regional_assets.resources",
        "regional_assets.snapshot_run",
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


def test_definitions_load_without_pandas() -> None:
    code = "import sys, regional_assets.definitions; print('pandas' in sys.modules)"
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert printed.strip() == "False"
