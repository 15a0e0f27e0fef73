"""Imports go one way, and definitions load without what only runs need."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import regional_assets

ROOT = Path(regional_assets.__file__).parent

# Each storey may import those below it. Rooms of one storey may not import each other.
STOREYS = (
    ("cli",),
    ("replay",),
    ("definitions",),
    ("defs",),
    ("runs",),
    ("store", "narrative", "board"),
    ("intelligence",),
    ("settings", "redis_link", "dagster_kit"),
    ("errors",),
)
LEVEL = {room: level for level, rooms in enumerate(STOREYS) for room in rooms}
# These could be packages of their own: they know nothing of this project, not even its errors.
FOREIGN = ("redis_link", "dagster_kit")
# The domain has everything as arguments.
SEALED = {
    "intelligence": {"settings", "os", "time", "pandas"},
    "board": {"settings", "os", "time", "pandas"},
}
# Package → the only places that may import it.
ONLY_IN = {
    "dagster": ("dagster_kit", "defs", "definitions", "replay", "cli/run.py"),
    "redis": ("store", "redis_link"),
    "click": ("cli",),
    "rich": ("cli",),
    "httpx2": ("narrative",),
    "jinja2": ("board",),
}

MODULES = sorted(ROOT.rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports name the whole path"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def room_named(name: str) -> str | None:
    """The room an import of this project leads to; None for any other package."""
    package, _, rest = name.partition(".")
    return rest.partition(".")[0] if package == "regional_assets" else None


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    room, place = room_of(path), str(path.relative_to(ROOT))
    if room == "__init__":
        assert list(imported(path)) == []
        return
    for name in imported(path):
        target, package = room_named(name), name.partition(".")[0]
        if room in FOREIGN:
            assert target in (None, room), f"{place} imports {name}"
        if target is not None:
            assert target == room or LEVEL[target] > LEVEL[room], f"{place} imports {name}"
        allowed = ONLY_IN.get(package)
        if allowed:
            assert room in allowed or place in allowed, f"{place} imports {name}"
        sealed = SEALED.get(room, set())
        assert not {target, package} & sealed, f"{place} imports {name}"


TESTS = Path(__file__).parent


def test_tests_share_only_support_and_conftest() -> None:
    """No test imports another test, and no benchmark imports the tests."""
    paths = [*TESTS.rglob("*.py"), *(TESTS.parent / "benchmarks").rglob("*.py")]
    wrong = [
        f"{path.relative_to(TESTS.parent)} imports {name}"
        for path in paths
        for name in imported(path)
        if name.startswith("regional_assets_tests.")
        and (
            path.is_relative_to(TESTS.parent / "benchmarks")
            or not name.startswith("regional_assets_tests.support.")
        )
    ]
    assert wrong == []


def is_fixture(node: ast.expr) -> bool:
    function = node.func if isinstance(node, ast.Call) else node
    return isinstance(function, ast.Attribute) and function.attr == "fixture"


def test_shared_fixtures_are_in_conftest_files() -> None:
    """A fixture beside the tests serves that file alone; support has none."""
    wrong = [
        f"{path.name}: {node.name}"
        for path in (TESTS / "support").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and any(map(is_fixture, node.decorator_list))
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
    server. SQLAlchemy is for Dagster's storage, which may be elsewhere."""
    code = """
import sys, threading
from regional_assets.definitions import defs
later = {"pandas", "httpx2", "redis", "ahocorasick_rs", "sqlalchemy"}
print(later & set(sys.modules))
print(defs.resources["regional_narrator"].open(), threading.active_count())
import regional_assets.runs.snapshots
later = {"regional_assets.narrative.prompt", "regional_assets.store.verification"}
print((later | {"httpx2"}) & set(sys.modules))
"""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("REGIONAL_NARRATIVE_")}
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    ).stdout
    assert printed == "set()\nNone 1\nset()\n"


# Modules of the domain in which a value may be anything, because others write it.
ANYTHING = {
    "inputs": "an input's value: JSON of another job, or none",
    "records": "the fields of feeds that are taken as they are",
    "readers": "the payloads of feeds",
    "world": "the table of these readers",
    "tally": "the records of feeds, counted",
    "text": "texts of feeds, which may be none",
    "numbers": "numbers of feeds, which may be none",
    "timing": "times of feeds, which may be none",
    "model_file": "TOML that somebody wrote",
}


@pytest.mark.parametrize("name", sorted(p.stem for p in (ROOT / "intelligence").glob("*.py")))
def test_only_what_others_write_may_be_anything(name: str) -> None:
    path = ROOT / "intelligence" / f"{name}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert ("Any" in names | attributes) == (name in ANYTHING)
