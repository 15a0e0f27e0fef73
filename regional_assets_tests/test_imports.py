"""What is imported where, as far as import-linter's contracts in pyproject.toml cannot say it."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import regional_assets

ROOT = Path(regional_assets.__file__).parent


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports name the whole path"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


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
print(defs().resources["regional_narrator"].open(), threading.active_count())
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
    "declared": "what a feed says of itself",
    "sirens": "the entries of a feed",
    "last_words": "an input's value, as it was",
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
