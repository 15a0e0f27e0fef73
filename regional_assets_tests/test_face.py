"""What others may import, and that they pay only for what they use."""

import importlib
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

import regional_assets
from regional_assets.intelligence.geography import Region
from regional_assets.intelligence.model import Model
from regional_assets.runs.snapshots import take_snapshots

ROOT = Path(regional_assets.__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def printed(code: str, **environment: str) -> str:
    """What a new Python prints."""
    command = [sys.executable, "-c", code]
    ended = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    return ended.stdout.strip()


def test_the_names_are_what_they_stand_for() -> None:
    assert regional_assets.Model is Model
    assert regional_assets.Region is Region
    assert regional_assets.take_snapshots is take_snapshots
    assert regional_assets.__version__ == version("regional_assets")
    assert isinstance(regional_assets.definitions, ModuleType)
    assert regional_assets.definitions.__all__ == ["definitions", "defs"]
    for name in regional_assets.__all__:
        assert getattr(regional_assets, name) is not None
    with pytest.raises(AttributeError, match="module 'regional_assets' has no attribute 'Nothing'"):
        regional_assets.Nothing  # noqa: B018


@pytest.mark.parametrize("first", ["import regional_assets.definitions", ""])
def test_they_are_the_same_whatever_was_imported_before(first: str) -> None:
    said = printed(f"{first}\nfrom regional_assets import definitions\nprint(definitions.__name__)")
    assert said == "regional_assets.definitions"


def test_the_package_alone_imports_nothing_of_others() -> None:
    code = "import sys, regional_assets; print(*{name.split('.')[0] for name in sys.modules})"
    before = printed("import sys; print(*{name.split('.')[0] for name in sys.modules})")
    added = set(printed(code).split()) - set(before.split()) - sys.stdlib_module_names
    assert added == {"regional_assets"}


def test_an_import_of_the_definitions_does_nothing() -> None:
    """It reads no setting and leaves the garbage collector alone."""
    code = "import gc, regional_assets.definitions; print(gc.get_freeze_count(), gc.isenabled())"
    assert printed(code, REGIONAL_MODEL="nothing:here") == "0 True"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_the_documents_name_nothing_else(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = set(re.findall(r"\bregional_assets\.([a-zA-Z]\w*)", text))
    named |= set(re.findall(r"\bfrom regional_assets import (\w+)", text))
    # Where the launchers and the storage were before 0.2.0.
    named -= {"defs"} if path.name == "upgrading.md" else set()
    assert named <= set(regional_assets.__all__)
    for home, name in re.findall(r"\bfrom (regional_assets\.[\w.]+) import (\w+)", text):
        assert name in importlib.import_module(home).__all__
