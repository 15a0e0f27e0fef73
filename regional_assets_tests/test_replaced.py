"""What tests may replace: not what is private, nor what a module has imported from another. A test
that does so asks how the code is written, not what it does."""

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
REPLACING = {"setattr", "delattr", "setitem", "delitem", "object", "patch", "dict"}


# What is left, and why. A line that is no longer needed fails the test below.
LEFT = {
    # A file that Dagster's programs execute; it says itself what it shortens.
    "support/short_rounds/sitecustomize.py": {
        "dagster._daemon.controller.DEFAULT_DAEMON_INTERVAL_SECONDS",
        "dagster._core.remote_representation.external.RemoteSensor.min_interval_seconds",
    },
    # Limits of many regions, in a store of eight.
    "defs/test_board.py": {"regional_assets.runs.summary.MOST_REGIONS"},
    "defs/test_health.py": {"regional_assets.runs.summary.MOST_REGIONS"},
    # A bug that is not there.
    "runs/test_narration.py": {"regional_assets.runs.narration.narrative_prompt"},
    "runs/test_snapshots.py": {
        "regional_assets.intelligence.snapshot.weighed",
        "regional_assets.runs.snapshots.region_content",
    },
    # The other way to read the same.
    "intelligence/test_properties.py": {"regional_assets.intelligence.world.DECODERS"},
}


def replaced(source: str) -> Iterator[str]:
    """The names that this source replaces and may not."""
    tree = ast.parse(source)
    modules = dict(imported_modules(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and is_replacing(node.func):
            for name in names(node, modules):
                if is_private(name) or is_borrowed(name):
                    yield name
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Delete):
            targets = node.targets if isinstance(node, ast.Assign | ast.Delete) else [node.target]
            for target in targets:
                name = dotted(target, modules)
                if isinstance(target, ast.Attribute) and is_private(name):
                    yield name


def is_replacing(function: ast.expr) -> bool:
    """`setattr`, and the methods of `monkeypatch` and of `unittest.mock.patch`."""
    if isinstance(function, ast.Attribute):
        of = ast.unparse(function.value)
        if function.attr == "patch":
            return True
        return function.attr in REPLACING and (function.attr[:3] in ("set", "del") or "patch" in of)
    return isinstance(function, ast.Name) and function.id in ("setattr", "delattr", "patch")


def names(call: ast.Call, modules: dict[str, str]) -> Iterator[str]:
    """What it replaces: `module.name` of the package, where that is to be seen."""
    first, *others = call.args or [ast.Constant("")]
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        yield first.value
        return
    # To take a module away is to set up an installation without it.
    if ast.unparse(first) == "sys.modules":
        return
    yield dotted(first, modules)
    if others and isinstance(others[0], ast.Constant) and isinstance(others[0].value, str):
        yield f"{dotted(first, modules)}.{others[0].value}"


def dotted(node: ast.AST, modules: dict[str, str]) -> str:
    first, *others = ast.unparse(node).split(".")
    # A class may have what is its own.
    return ".".join([modules.get(first, first), *others]) if first not in ("self", "cls") else ""


def is_private(name: str) -> bool:
    return any(part.startswith("_") and not part.endswith("__") for part in name.split("."))


def is_borrowed(name: str) -> bool:
    """Whether a module of the package has it from another module."""
    module, _, attribute = name.rpartition(".")
    if not module.startswith("regional_assets."):
        return False
    try:
        found = find_spec(module)
    except ModuleNotFoundError:
        return False
    if not found or not found.origin:
        return False
    body = ast.walk(ast.parse(Path(found.origin).read_text("utf-8")))
    return any(
        alias.asname == attribute or alias.name == attribute
        for node in body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    )


def imported_modules(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The names by which the source has modules, and what else it imports, and whence."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


@pytest.mark.parametrize(
    "path", sorted(TESTS.rglob("*.py")), ids=lambda path: str(path.relative_to(TESTS))
)
def test_no_test_replaces_what_is_private_or_borrowed(path: Path) -> None:
    left = LEFT.get(path.relative_to(TESTS).as_posix(), set())
    assert set(replaced(path.read_text("utf-8"))) == left


@pytest.mark.parametrize(
    "source",
    [
        'monkeypatch.setattr("regional_assets.narrative.client._TRIES", 1)',
        'monkeypatch.setattr(endpoint, "_TRIES", 1)',
        'monkeypatch.setattr(endpoint._Server, "start", None)',
        'monkeypatch.delitem(drawing._PLACES, "mena")',
        'setattr(endpoint, "_TRIES", 1)',
        'mock.patch("dagster._core.events.log")',
        'mock.patch.object(endpoint, "_TRIES", 1)',
        "endpoint._TRIES = 1",
        "store._unmet: object = None",
        "del store._unmet",
        'from regional_assets.redis_link import client\nmonkeypatch.setattr(client, "Retry", None)',
        'monkeypatch.setattr("regional_assets.redis_link.client.Retry", None)',
    ],
)
def test_what_is_replaced_is_found(source: str) -> None:
    assert len(list(replaced(source))) >= 1


@pytest.mark.parametrize(
    "source",
    [
        'monkeypatch.setenv("_HOME", "x")',
        "self._process = None",
        'monkeypatch.setitem(sys.modules, "httpx2", None)',
        'monkeypatch.setattr(store, "commit", late_commit)',
        "from regional_assets.redis_link import client\n"
        'monkeypatch.setattr(client, "attempt", None)',
    ],
)
def test_what_is_public_may_be_replaced(source: str) -> None:
    assert list(replaced(source)) == []
