"""A model as TOML: read, checked and written (docs/models.md describes the file)."""

import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeVar

import msgspec
import tomli_w

from regional_assets.intelligence.gazetteer import Tables
from regional_assets.intelligence.model import (
    BUILT_IN,
    Holds,
    Model,
    StatedVersions,
    normalised,
    table_digest,
)
from regional_assets.intelligence.model_checks import ModelError, Path, not_finite, problems

S = TypeVar("S")

_PARTS = (
    *("versions", "regions", "corridors", "criticality"),
    *("inputs", "scoring", "triggers", "templates", "tables", "holds"),
)
_ROWS = ("regions", "corridors", "triggers", "templates")
_EXTENDS = "extends"
_PLACE = re.compile(r"(.*?)(?: - at `\$(.*)`)?", re.DOTALL)
_UNKNOWN = re.compile("Object contains unknown field `(.*)`")
_MISSING = re.compile("Object missing required field `(.*)`")
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]")
_KEY = re.compile(r"""\s*["']?([\w.-]+)["']?\s*=""")


def read_model(text: str) -> Model:
    """The model of a file's text. Raises `ModelError`: line, field and what is expected, in one
    line."""
    try:
        content = tomllib.loads(text)
        model = _model(content)
        for path, words in problems(model):
            raise ModelError(words, _in_file(path, content))
    except RecursionError:
        raise ModelError("its values are nested too deeply") from None
    except ModelError as error:
        line = _line(text, error.path) if error.path else None
        raise ModelError(f"line {line}, {error}" if line else str(error)) from None
    except ValueError as error:
        # Of the parser, which names the line itself.
        raise ModelError(" ".join(str(error).split())) from None
    return model


def write_model(model: Model, *, tables: bool = False) -> str:
    """The model as TOML that `read_model` reads as an equal one. The large tables that are those of
    this version are in it by their digest, unless `tables` asks for the full form."""
    content: dict[str, Any] = msgspec.to_builtins(normalised(model), order="deterministic")
    content["inputs"] = {
        "names": [row["name"] for row in content["inputs"]],
        **{row.pop("name"): row for row in content["inputs"]},
    }
    content["tables"] = {
        name: table_digest(name) if own is None and not tables else dict(model.tables.table(name))
        for name, own in content["tables"].items()
    }
    written = {part: content[part] for part in _PARTS}
    for part, unstated in (("versions", StatedVersions()), ("holds", Holds())):
        if written[part] == msgspec.to_builtins(unstated):
            del written[part]
    return tomli_w.dumps(written)


def _model(content: Mapping[str, Any]) -> Model:
    for part in content:
        if part not in _PARTS:
            raise ModelError(f"unknown part; a model has {', '.join(_PARTS)}", (part,))
    for path in not_finite(content):
        raise ModelError("the number is not finite", path)
    parts: dict[str, Any] = {part: _rows(content, part) for part in _ROWS if part in content}
    if "inputs" in content:
        parts["inputs"] = _inputs(_table(content, "inputs"))
    if "tables" in content:
        parts["tables"] = _tables(_table(content, "tables"))
    for part in ("versions", "criticality", "scoring", "holds"):
        if part in content:
            base = getattr(BUILT_IN, part)
            parts[part] = _merged(base, _table(content, part), (part,))
    return Model(**parts)


def _table(content: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    if not isinstance(content[part], dict):
        raise ModelError(f"expected a table, [{part}]", (part,))
    return content[part]  # type: ignore[no-any-return]


def _rows(content: Mapping[str, Any], part: str) -> tuple[Any, ...]:
    """The rows of a part. Where one of them extends the built-in ones, these come first, and a row
    with the id of one of them changes its fields."""
    rows = content[part]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ModelError(f"expected [[{part}]], a table for each", (part,))
    built_in = getattr(BUILT_IN, part)
    row_type = type(built_in[0])
    found: dict[Any, Any] = {}
    for number, row in enumerate(rows):
        if row.get(_EXTENDS, "built-in") != "built-in":
            raise ModelError('expected "built-in"', (part, number, _EXTENDS))
    if any(_EXTENDS in row for row in rows):
        found = {row.id: row for row in built_in}
    given = set[str]()
    for number, row in enumerate(rows):
        own = {name: value for name, value in row.items() if name != _EXTENDS}
        if not own:
            continue
        id = str(own.get("id", ""))
        if id in given:
            raise ModelError(f"{id!r} is there twice", (part, number, "id"))
        given.add(id)
        base = found.get(id)
        found[id] = (
            _merged(base, own, (part, number))
            if base is not None
            else _converted(own, row_type, (part, number), built_in[0])
        )
    return tuple(found.values())


def _inputs(table: Mapping[str, Any]) -> tuple[Any, ...]:
    """The inputs in the order of `names`, each the built-in one with what its table changes."""
    known = BUILT_IN.input_of
    names = table.get("names", list(known))
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ModelError("expected an array of names", ("inputs", "names"))
    for name in (*(n for n in table if n != "names"), *names):
        if name not in known:
            path = ("inputs", name) if name in table else ("inputs", "names")
            words = f"this version reads no input {name!r}; there are {', '.join(known)}"
            raise ModelError(words, path)
        if not isinstance(table.get(name, {}), dict):
            raise ModelError(f"expected a table, [inputs.{name}]", ("inputs", name))
    return tuple(_merged(known[n], table.get(n, {}), ("inputs", n)) for n in dict.fromkeys(names))


def _tables(table: Mapping[str, Any]) -> Tables:
    own: dict[str, Mapping[str, str] | None] = {}
    for name, value in table.items():
        path = ("tables", name)
        if name not in Tables.__struct_fields__:
            words = f"unknown table; there are {', '.join(Tables.__struct_fields__)}"
            raise ModelError(words, path)
        if isinstance(value, str):
            if value != table_digest(name):
                raise ModelError(
                    f"this version has no table {value}, but {table_digest(name)}: write the file "
                    "in full, by `regional-assets model show --tables` of the version that has it",
                    path,
                )
        else:
            content = _converted(value, dict[str, str], path)
            own[name] = None if content == BUILT_IN.tables.table(name) else content
    return Tables(**own)


def _merged(base: S, changes: Mapping[str, Any], path: Path) -> S:
    """`base` with what `changes` say, table by table."""
    return _converted(_overlaid(base, changes), type(base), path, base)


def _overlaid(base: Any, changes: Mapping[str, Any]) -> dict[str, Any]:
    content = {name: getattr(base, name) for name in base.__struct_fields__}
    merged: dict[str, Any] = msgspec.to_builtins(content)
    for name, value in changes.items():
        part = content.get(name)
        deeper = isinstance(part, msgspec.Struct) and isinstance(value, dict)
        merged[name] = _overlaid(part, value) if deeper else value
    return merged


def _converted(value: Any, to: type[S], path: Path, like: Any = None) -> S:
    """The value as that type; `like` is one of it, which shows the fields there are."""
    try:
        return msgspec.convert(value, to)
    except msgspec.ValidationError as error:
        found = _PLACE.fullmatch(str(error))
        assert found
        words = found[1]
        steps = [int(number) if number else name for name, number in _STEP.findall(found[2] or "")]
        if unknown := _UNKNOWN.fullmatch(words):
            fields = ", ".join(_fields(like, steps))
            words = f"unknown field; there are {fields}" if fields else "unknown field"
            steps.append(unknown[1])
        elif missing := _MISSING.fullmatch(words):
            words = f"the field {missing[1]!r} is missing"
        raise ModelError(words, (*path, *steps)) from None


def _fields(like: Any, steps: Path | list[str | int]) -> tuple[str, ...]:
    """The fields of what the steps lead to; none where that is not known."""
    with suppress(AttributeError, IndexError, TypeError):
        for step in steps:
            like = like[0] if isinstance(step, int) else getattr(like, step)
        return tuple(like.__struct_fields__)
    return ()


def _in_file(path: Path, content: Mapping[str, Any]) -> Path:
    """A path that names a row by its id, by the row's number in the file."""
    part, *rest = path
    if part not in _ROWS or not rest:
        return path
    rows = content.get(str(part), [])
    numbers = [number for number, row in enumerate(rows) if row.get("id") == rest[0]]
    return (part, *numbers[:1], *rest[1:]) if numbers else ()


def _line(text: str, path: Path) -> int:
    """The line of the file that the path leads to, as far as it goes."""
    best, found = 0, 1
    numbers = Counter[Path]()
    table: Path = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = ()
            names = [name.strip(" \"'") for name in header[2].split(".")]
            for position, name in enumerate(names, 1):
                table = (*table, name)
                if position == len(names) and header[1] == "[[":
                    numbers[table] += 1
                if numbers[table]:
                    table = (*table, numbers[table] - 1)
            here = table
        elif key := _KEY.match(line):
            here = (*table, *key[1].split("."))
        else:
            continue
        shared = _shared(here, path)
        if shared > best and shared == len(here):
            best, found = shared, number
    return found


def _shared(a: Path, b: Path) -> int:
    return next(
        (n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )
