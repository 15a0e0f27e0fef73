"""The documents: their links lead somewhere, and the code cites sections that exist."""

import ast
import re
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from benchmarks.__main__ import written
from benchmarks.measuring import Figure
from regional_assets.definitions import definitions
from regional_assets.intelligence.scoring import BUFFERS, PRESSURES
from regional_assets_tests.support.built_in import MODEL, VERSIONS

ROOT = Path(__file__).parent.parent
REPOSITORY = definitions(MODEL, narrated=True).get_repository_def()
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
_LISTED = re.compile(r"^\* \[(.+)\]\(#.+\)$", re.MULTILINE)
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


@pytest.mark.parametrize("name", ["decisions.md", "operations.md"])
def test_a_list_of_sections_has_all_of_them(name: str) -> None:
    text = text_of(ROOT / "docs" / name)
    assert _LISTED.findall(text) == re.findall("^## (.+)$", text, re.MULTILINE)


# What people count in words. Of another model there are more, and a bound is one too: a number from
# `_LARGE` on says nothing about the built-in model.
COUNTS = {
    "regions": len(MODEL.regions),
    "partitions": len(MODEL.regions),
    "narrated regions": len(MODEL.narrated),
    "inputs": len(MODEL.inputs),
    "feeds": len(MODEL.inputs),
    "triggers": len(MODEL.triggers),
    "templates": len(MODEL.templates),
    "corridors": len(MODEL.corridors),
    "axes": len(PRESSURES) + len(BUFFERS),
    "pressures": len(PRESSURES),
    "buffers": len(BUFFERS),
    "schedules": len(REPOSITORY.schedule_defs),
    "sensors": len(REPOSITORY.sensor_defs),
    "jobs": len(REPOSITORY.get_all_jobs()),
    "asset checks": len(REPOSITORY.asset_graph.asset_check_keys),
}
_LARGE = 50
_WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    *("nineteen", "twenty"),
)
_COUNT = re.compile(
    rf"(?<![\w.,:-])({'|'.join(_WORDS)}|\d[\d,]*)\s+(?:[a-z]+-[a-z]+\s+|world\s+|input\s+)?"
    rf"({'|'.join(COUNTS)})\b",
    re.IGNORECASE,
)
# Counts of something else than the built-in model, by page.
ELSEWHERE = {
    # A country, and inputs, of which somebody names a pair.
    ("CONTRIBUTING.md", "two regions"),
    ("deployment.md", "two inputs"),
    # The jobs that are replaced.
    ("operations.md", "two jobs"),
    # Those of its example, of which some are done.
    ("one-run-many-partitions.md", "three partitions"),
    ("one-run-many-partitions.md", "seven partitions"),
}


def wrong_counts(name: str, text: str) -> Iterator[str]:
    for found in _COUNT.finditer(" ".join(text.split())):
        word, noun = found[1].lower(), found[2].lower()
        number = _WORDS.index(word) if word in _WORDS else int(word.replace(",", ""))
        said = f"{word} {noun}"
        if number not in (COUNTS[noun], 1) and number < _LARGE and (name, said) not in ELSEWHERE:
            yield said


# What a version had stays in the changelog.
@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=lambda page: page.name
)
def test_a_count_in_words_is_that_of_the_built_in_model(page: Path) -> None:
    assert list(wrong_counts(page.name, page.read_text(encoding="utf-8"))) == []


def test_a_wrong_count_is_found() -> None:
    text = "From 16 input feeds, for nine\nworld regions; 10,000 regions, seventeen feeds, 1 axes."
    assert list(wrong_counts("page.md", text)) == ["16 feeds", "nine regions"]


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("benchmarks.md", 700),
        ("upgrading.md", 600),
        ("troubleshooting.md", 600),
        ("existing-dagster.md", 600),
    ],
)
def test_a_short_page_stays_short(name: str, most: int) -> None:
    assert len((ROOT / "docs" / name).read_text(encoding="utf-8").split()) <= most


def texts_of_the_code() -> Iterator[str]:
    """The texts in the package; "…" stands for what is put into them."""
    for path in CODE:
        if not path.is_relative_to(ROOT / "regional_assets"):
            continue
        if path.suffix == ".lua":
            yield path.read_text(encoding="utf-8")
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (part.value for part in node.values if isinstance(part, ast.Constant))
                yield "…".join(map(str, parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_every_message_of_the_troubleshooting_is_in_the_code() -> None:
    rows = re.findall(
        r"^\| (`.+?) \| (.+?) \|", text_of(ROOT / "docs" / "troubleshooting.md"), re.MULTILINE
    )
    texts = "\n".join(texts_of_the_code())
    messages = [
        message
        for quoted, meaning in rows
        if not meaning.startswith("Dagster's:")
        for message in re.findall("`(.+?)`", quoted)
    ]
    assert len(messages) > 20
    # Each piece for itself: Lua puts its own together.
    assert [m for m in messages for piece in m.split("…") if piece.strip() not in texts] == []


def test_make_bench_replaces_the_figures_of_the_scripts_it_ran() -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    board = [
        Figure("The page", "80 ms", "at most 500 ms", True, "whole", "not on the page"),
        Figure("One for the terminal", "3"),
    ]
    found = {"board": board, "scale": [Figure("Commits", "0.4", "at least 0.5", False, "inside")]}
    once = written(page, found, date(2026, 12, 1), "Machine: another")
    rows = [line for line in once.splitlines() if line.startswith("| ")]
    assert "| The page | whole | 80 ms | at most 500 ms, reached | `board` 2026-12-01 |" in rows
    assert "| Commits | inside | 0.4 | at least 0.5, **missed** | `scale` 2026-12-01 |" in rows
    assert [row for row in rows if "`scale`" in row or "terminal" in row] == [
        row for row in rows if "Commits |" in row
    ]
    of_others = {line for line in page.splitlines() if "`workers` 2" in line}
    assert of_others
    assert of_others <= set(rows)
    assert [row.split(" | ")[1] for row in rows[1:]] == sorted(
        (row.split(" | ")[1] for row in rows[1:]), reverse=True
    )
    assert written(once, found, date(2026, 12, 1), "Machine: another") == once


def test_the_changelog_begins_with_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = re.findall(r"^## (\S+)", text_of(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert versions[0] == project["version"]
