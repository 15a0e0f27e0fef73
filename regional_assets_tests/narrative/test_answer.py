"""What is taken of an answer: whatever the text, a valid narrative or brief, or one error."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from regional_assets.intelligence.narrative import SECTIONS, Narrative
from regional_assets.intelligence.text import clean
from regional_assets.narrative.answer import MAX_TEXT, AnswerError, read_brief, read_narrative
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
        and not value.provider
        and not value.model
    )


@given(st.text() | json_values.map(json.dumps) | narratives.map(json.dumps))
def test_any_text_is_a_valid_narrative_or_an_error(answer: str) -> None:
    with contextlib.suppress(AnswerError):
        assert accepted(read_narrative(answer, SHOWN))


@given(st.text() | json_values.map(json.dumps) | briefs.map(json.dumps))
def test_any_text_is_a_valid_brief_or_an_error(answer: str) -> None:
    try:
        value = read_brief(answer)
    except AnswerError:
        return
    single = (value.situation_recap, value.regime_trajectory, value.risk_outlook)
    assert all(text and text == clean(text, MAX_TEXT) for text in single)
    assert len(value.key_developments) <= 5
    assert all(text and text == clean(text, MAX_TEXT) for text in value.key_developments)


@given(narratives, around, after)
def test_a_narrative_is_found_whatever_is_round_it(
    value: dict[str, Any], before: str, behind: str
) -> None:
    sections = [value[section]["text"] for section in SECTIONS]
    items = [item["text"] for item in value["watch_items"]]
    assume(any(clean(text) for text in (*sections, *items)))
    found = read_narrative(f"{before}{json.dumps(value)}{behind}", SHOWN)
    for section in SECTIONS:
        assert getattr(found, section).text == clean(value[section]["text"])
        cited = dict.fromkeys(i for i in value[section]["evidence_ids"] if i in SHOWN)
        assert getattr(found, section).evidence_ids == tuple(cited)
    assert [item.text for item in found.watch_items] == [t for t in map(clean, items) if t][:3]
    # What is kept of it is read the same.
    assert read_narrative(json.dumps(found.as_json()), SHOWN) == found


def test_of_several_the_last_valid_one_counts() -> None:
    first, last = json.dumps(narrative("mena")), json.dumps(narrative("europe"))
    found = read_narrative(f"Draft: {first} Better: {last} {{}}", ())
    assert found.situation.text == "The situation in europe."


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"situation": None}, "situation is not an object"),
        ({"outlook_7d": "Calm."}, "outlook_7d is not an object"),
        ({"outlook_24h": {"evidence_ids": []}}, "outlook_24h has no text"),
        ({"situation": {"text": "x"}}, "situation has no list of evidence_ids"),
        ({"situation": {"text": "x", "evidence_ids": "e-1"}}, "situation has no list"),
        ({"watch_items": None}, "watch_items is not a list"),
        ({"watch_items": ["Transits."]}, "a watch item is not an object"),
    ],
)
def test_another_shape_is_an_error_that_says_which(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(AnswerError, match=problem):
        read_narrative(json.dumps(narrative("mena") | change), SHOWN)


def test_no_text_anywhere_is_an_error() -> None:
    nothing = {"text": " \u200b<>", "evidence_ids": []}
    value = dict.fromkeys(SECTIONS, nothing) | {"watch_items": [nothing]}
    with pytest.raises(AnswerError, match="no text anywhere"):
        read_narrative(json.dumps(value), SHOWN)


@pytest.mark.parametrize(
    "change",
    [
        {"situation_recap": " "},
        {"regime_trajectory": 7},
        {"risk_outlook": None},
        {"key_developments": "One thing."},
        {"key_developments": [1]},
    ],
)
def test_a_brief_of_another_shape_is_an_error(change: dict[str, Any]) -> None:
    with pytest.raises(AnswerError, match=next(iter(change))):
        read_brief(json.dumps(brief("mena") | change))


@pytest.mark.parametrize(
    "answer",
    ["", "[]", '{"a":' * 30_000, "{" * 150_000, '{"a": "' + "x" * 250_000 + '"}'],
    ids=["empty", "list", "deep", "braces", "long"],
)
def test_hostile_answers_end_in_an_error(answer: str) -> None:
    with pytest.raises(AnswerError):
        read_narrative(answer, SHOWN)
