"""What is taken of an answer: whatever the text, a valid narrative or brief, or one error."""

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from regional_assets.intelligence.stored import NO_TEXT, SECTIONS, Narrative, Passage
from regional_assets.intelligence.text import clean
from regional_assets.narrative.answer import (
    MAX_TEXT,
    AnswerError,
    Taken,
    read_brief,
    read_narrative,
)
from regional_assets_tests.support.model_server import brief, narrative

SHOWN = ("e-1", "e-2")

texts = st.text(max_size=40)
ids = st.lists(st.sampled_from([*SHOWN, "e-3", ""]) | texts, max_size=4)
passages = st.fixed_dictionaries({"text": texts, "evidence_ids": ids})
narratives = st.fixed_dictionaries(
    dict.fromkeys(SECTIONS, passages) | {"watch_items": st.lists(passages, max_size=5)}
)
briefs = st.fixed_dictionaries(
    dict.fromkeys(("situation_recap", "regime_trajectory", "risk_outlook"), texts)
    | {"key_developments": st.lists(texts, max_size=7)}
)
json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*SECTIONS, "watch_items", "text", "evidence_ids"]) | texts,
            inner,
            max_size=6,
        )
    ),
    max_leaves=15,
)
# Prose that can hold braces, fences and whole objects, but ends none that follows.
around = st.sampled_from(
    ["", "Here it is:\n```json\n", "{as asked} ", '<think>{"situation": {}}</think>', "[1, {}] ]"]
)
after = st.sampled_from(["", "\n```\nDone.", " }", " {", ' {"text": "that was it"}'])


def accepted(value: Narrative) -> bool:
    passages = [*(getattr(value, section) for section in SECTIONS), *value.watch_items]
    return (
        any(p.text for p in passages)
        and all(p.text == clean(p.text, MAX_TEXT) for p in passages)
        and all(set(p.evidence_ids) <= set(SHOWN) for p in passages)
        and all(len(set(p.evidence_ids)) == len(p.evidence_ids) for p in passages)
        and len(value.watch_items) <= 3
        and all(item.text for item in value.watch_items)
    )


@given(st.text() | json_values.map(json.dumps) | narratives.map(json.dumps))
def test_any_text_is_a_valid_narrative_or_an_error(answer: str) -> None:
    with contextlib.suppress(AnswerError):
        assert accepted(read_narrative(answer, SHOWN).value)


@given(st.text() | json_values.map(json.dumps) | briefs.map(json.dumps))
def test_any_text_is_a_valid_brief_or_an_error(answer: str) -> None:
    try:
        value = read_brief(answer).value
    except AnswerError:
        return
    single = (value.situation_recap, value.regime_trajectory, value.risk_outlook)
    assert value.situation_recap
    assert all(text == clean(text, MAX_TEXT) for text in single)
    assert len(value.key_developments) <= 5
    assert all(text and text == clean(text, MAX_TEXT) for text in value.key_developments)


def worded(text: str) -> str:
    """What is taken of a text: nothing where it has neither a letter nor a digit."""
    cleaned = clean(text)
    return cleaned if any(c.isalnum() for c in cleaned) else ""


@given(narratives, around, after)
def test_a_narrative_is_found_whatever_is_round_it(
    value: dict[str, Any], before: str, behind: str
) -> None:
    sections = [value[section]["text"] for section in SECTIONS]
    items = [item["text"] for item in value["watch_items"]]
    assume(any(worded(text) for text in (*sections, *items)))
    found = read_narrative(f"{before}{json.dumps(value)}{behind}", SHOWN).value
    for section in SECTIONS:
        assert getattr(found, section).text == worded(value[section]["text"])
        cited = dict.fromkeys(i for i in value[section]["evidence_ids"] if i in SHOWN)
        assert getattr(found, section).evidence_ids == tuple(cited)
    assert [item.text for item in found.watch_items] == [t for t in map(worded, items) if t][:3]
    # What is kept of it is read the same.
    assert read_narrative(json.dumps(msgspec.to_builtins(found)), SHOWN).value == found


def test_of_several_the_last_valid_one_counts() -> None:
    first, last = json.dumps(narrative("mena")), json.dumps(narrative("europe"))
    found = read_narrative(f"Draft: {first} Better: {last} {{}}", ()).value
    assert found.situation.text == "The situation in europe."


PASSAGE = {"text": "Calm.", "evidence_ids": ["e-1"]}


@pytest.mark.parametrize(
    ("change", "taken", "cut"),
    [
        ({"situation": None}, {"situation": NO_TEXT}, ["situation: no text"]),
        ({"situation": 7}, {"situation": NO_TEXT}, ["situation: no text"]),
        ({"situation": {"text": None}}, {"situation": NO_TEXT}, ["situation: no text"]),
        ({"outlook_7d": "Calm."}, {"outlook_7d": Passage("Calm.", ())}, []),
        ({"outlook_7d": {"text": "Calm."}}, {"outlook_7d": Passage("Calm.", ())}, []),
        ({"outlook_7d": PASSAGE}, {"outlook_7d": Passage("Calm.", ("e-1",))}, []),
        (
            {"outlook_7d": PASSAGE | {"evidence_ids": "e-1"}},
            {"outlook_7d": Passage("Calm.", ())},
            [],
        ),
        (
            {"outlook_7d": PASSAGE | {"evidence_ids": ["e-3", "e-1", "e-3", 1]}},
            {"outlook_7d": Passage("Calm.", ("e-1",))},
            ["outlook_7d: 1 evidence ids that it was not shown"],
        ),
        (
            {"outlook_30d": "x" * (MAX_TEXT + 1)},
            {"outlook_30d": Passage("x" * MAX_TEXT, ())},
            [f"outlook_30d: what follows {MAX_TEXT} characters"],
        ),
        ({"watch_items": None}, {"watch_items": ()}, []),
        ({"watch_items": {"text": "Transits."}}, {"watch_items": ()}, []),
        (
            {"watch_items": ["Transits.", None, PASSAGE, ""]},
            {"watch_items": (Passage("Transits.", ()), Passage("Calm.", ("e-1",)))},
            ["watch_items: no text"],
        ),
        (
            {"watch_items": list("abcde")},
            {"watch_items": (Passage("a", ()), Passage("b", ()), Passage("c", ()))},
            ["watch_items: 2 beyond 3"],
        ),
    ],
)
def test_another_shape_is_taken_as_far_as_it_goes(
    change: dict[str, Any], taken: dict[str, Any], cut: list[str]
) -> None:
    asked_for = narrative("mena")
    found = read_narrative(json.dumps(asked_for | change), SHOWN)
    assert found == Taken(
        replace(read_narrative(json.dumps(asked_for), SHOWN).value, **taken), tuple(cut)
    )


@pytest.mark.parametrize("name", [*SECTIONS, "watch_items"])
def test_one_text_anywhere_is_enough(name: str) -> None:
    value = ["Transits."] if name == "watch_items" else "Transits."
    assert read_narrative(json.dumps({name: value}), ()).value.texts() == ["Transits."]


@pytest.mark.parametrize(
    "form",
    [
        "```json\n{}\n```",
        '<think>Is {{this}} it? {{"situation": "A draft."}}</think>\n{}',
        '{{"narrative": {}}}',
        "[{}]",
        "{{" * 500 + "{}",
    ],
    ids=["fenced", "thought", "wrapped", "listed", "braces"],
)
def test_what_is_round_the_object_does_not_matter(form: str) -> None:
    found = read_narrative(form.format(json.dumps(narrative("mena"))), ()).value
    assert found.situation.text == "The situation in mena."


def test_line_breaks_in_texts_are_read() -> None:
    assert read_narrative('{"situation": "One.\n\tTwo."}', ()).value.situation.text == "One. Two."


def test_the_shape_that_was_asked_for_is_no_answer() -> None:
    shape = {name: {"text": "...", "evidence_ids": ["..."]} for name in SECTIONS}
    with pytest.raises(AnswerError, match="no text anywhere"):
        read_narrative(json.dumps(shape), ())
    said = json.dumps({"situation": "Calm."})
    assert read_narrative(f"{said} as {json.dumps(shape)}", ()).value.situation.text == "Calm."


def test_no_text_anywhere_is_an_error() -> None:
    nothing = {"text": " \u200b<>", "evidence_ids": []}
    value = dict.fromkeys(SECTIONS, nothing) | {"watch_items": [nothing]}
    with pytest.raises(AnswerError, match="no text anywhere"):
        read_narrative(json.dumps(value), SHOWN)


@pytest.mark.parametrize(
    ("change", "cut"),
    [
        ({"regime_trajectory": 7}, ["regime_trajectory: no text"]),
        ({"risk_outlook": None}, ["risk_outlook: no text"]),
    ],
)
def test_a_brief_without_a_text_is_taken(change: dict[str, Any], cut: list[str]) -> None:
    found = read_brief(json.dumps(brief("mena") | change))
    assert found.value.situation_recap == "The week in mena."
    assert [getattr(found.value, name) for name in change] == [""]
    assert found.cut == tuple(cut)


@pytest.mark.parametrize(
    ("developments", "taken", "cut"),
    [
        ("One thing.", [], []),
        (["One.", 1, None, {"text": "Two."}], ["One.", "Two."], ["key_developments: no text"]),
        (list("abcdefg"), list("abcde"), ["key_developments: 2 beyond 5"]),
    ],
)
def test_key_developments_are_taken_one_by_one(
    developments: Any, taken: list[str], cut: list[str]
) -> None:
    found = read_brief(json.dumps(brief("mena") | {"key_developments": developments}))
    assert found.value.key_developments == tuple(taken)
    assert found.cut == tuple(cut)


@pytest.mark.parametrize("recap", [" ", "...", "\u202e", 7, None, ["The week."]])
def test_a_brief_needs_its_recap(recap: Any) -> None:
    with pytest.raises(AnswerError, match="it has no situation_recap"):
        read_brief(json.dumps(brief("mena") | {"situation_recap": recap}))


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "[]",
        '{"a":' * 30_000,
        "{" * 150_000,
        '{"a": "' + "x" * 250_000 + '"}',
        '{"situation": ' + "9" * 5_000 + "}",
        '{"a":' * 1_000 + "[" + "1," * 90_000,
    ],
    ids=["empty", "list", "deep", "braces", "long", "number", "unended"],
)
def test_hostile_answers_end_in_an_error(answer: str) -> None:
    with pytest.raises(AnswerError):
        read_narrative(answer, SHOWN)
