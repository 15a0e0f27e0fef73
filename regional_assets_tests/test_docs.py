"""The documents: their links lead somewhere, and the code cites sections that exist."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from regional_assets_tests.support.built_in import MODEL, VERSIONS

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
CODE = sorted(
    path
    for folder in ("regional_assets", "regional_assets_tests", "benchmarks", "scripts")
    for pattern in ("*.py", "*.lua")
    for path in (ROOT / folder).rglob(pattern)
)

_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_TEST_PATH = re.compile(r"`([a-z_]+/)?(test_[a-z_]+|conftest)\.py`")
# "SPEC 4", "SPEC 4.2", "SPEC 2 and 4", "SPEC 3, 4 and 7", "SPEC 4 to 6".
_CITATION = re.compile(r"SPEC ((?:\d+(?:\.\d+)?)(?:(?:, | and | to )\d+(?:\.\d+)?)*)")


def text_of(page: Path) -> str:
    """What a reader sees as text: without the blocks of code."""
    return _FENCED.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    headings = _HEADING.findall(text_of(page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(page: Path) -> Iterator[str]:
    for link in _LINK.findall(text_of(page)):
        if link.startswith(("https://", "http://")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert list(dead_links(page)) == []


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One thing\n[a](#one-thing) [b](#two) [c](page.md#one-thing) [d](gone.md)\n")
    assert list(dead_links(page)) == ["#two", "gone.md"]


@pytest.mark.parametrize("name", ["docs/reliability.md", "SECURITY.md", "CONTRIBUTING.md"])
def test_every_test_that_is_named_exists(name: str) -> None:
    tests = ROOT / "regional_assets_tests"
    named = [f"{folder}{test}.py" for folder, test in _TEST_PATH.findall(text_of(ROOT / name))]
    assert named
    assert [path for path in named if not (tests / path).exists()] == []


def test_every_section_that_the_code_cites_exists() -> None:
    headings = _HEADING.findall(text_of(ROOT / "docs" / "specification.md"))
    sections = {heading.split()[0].rstrip(".") for heading in headings}
    cited = {
        (section, path.relative_to(ROOT).as_posix())
        for path in CODE
        for citation in _CITATION.findall(path.read_text(encoding="utf-8"))
        for section in re.findall(r"\d+(?:\.\d+)?", citation)
    }
    assert {section for section, _ in cited} >= {str(number) for number in range(1, 9)}
    assert [(section, path) for section, path in sorted(cited) if section not in sections] == []


def test_the_specification_names_the_versions_of_the_code() -> None:
    specification = text_of(ROOT / "docs" / "specification.md")
    named = dict(re.findall(r'(\w+_version) "([\d.]+)"', specification))
    assert named == {**VERSIONS, "template_version": MODEL.templates[0].version}
