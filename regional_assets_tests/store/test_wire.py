"""What is stored reads back as it was (SPEC 6)."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from regional_assets.store.commit import Refused, Written
from regional_assets.store.snapshot_store import SnapshotStore
from regional_assets.store.verification import verify
from regional_assets.store.wire import decode, encode, member, observations
from regional_assets_tests.support.built_in import MODEL, REGION_IDS
from regional_assets_tests.support.stores import keys
from regional_assets_tests.support.worlds import NOW, sample_world, snapshots_of

NUMBERS = [0, 1e-4, 1e-5, 1e-7, 1e16, 1e22, 5e-324, -0.0, 1.7e308, 2**53 + 1, 2**64, -(10**40)]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_come_back_as_they_were(number: float) -> None:
    found = decode(encode(number))
    assert (found, type(found)) == (number, type(number))
    assert math.copysign(1, found) == math.copysign(1, number)
    assert encode(found) == encode(number)


@given(VALUES)
def test_every_value_comes_back_as_it_was(value: Any) -> None:
    stored = encode(value)
    assert json.loads(stored) == decode(stored) == value
    assert encode(decode(stored)) == stored


def test_text_is_stored_as_it_is_and_without_spaces() -> None:
    assert encode({"a": ["é", "\u2028", 'b"\n']}) == '{"a":["é","\u2028","b\\"\\n"]}'.encode()


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e400", "-1e999", "{", ""])
def test_what_a_strict_parser_refuses_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=text if text.strip("{") else "Expecting"):
        decode(f'{{"a":{text}}}'.encode() if text else b"")


def test_what_is_not_utf_8_is_refused() -> None:
    with pytest.raises(UnicodeError):
        decode(b'"\xff"')
    # As JSON lets it be written; nothing can be stored of it.
    lone = decode(b'"\\ud83d"')
    with pytest.raises(UnicodeError):
        encode(lone)


@pytest.mark.parametrize("unfit", ["a\ud83d", object()], ids=["lone surrogate", "no JSON"])
def test_a_snapshot_without_json_is_refused_alone(store: SnapshotStore, unfit: Any) -> None:
    snapshots = snapshots_of(sample_world())
    mena = snapshots["mena"]
    snapshots["mena"] = replace(mena, body=replace(mena.body, narrative=unfit))
    replies = dict(zip(snapshots, store.commit(snapshots.values()), strict=True))
    refused = replies.pop("mena")
    assert isinstance(refused, Refused)
    assert refused.error.startswith("the snapshot has no JSON: ")
    assert all(isinstance(reply, Written) for reply in replies.values())
    assert not store.client.exists(keys.latest("mena"))
    found = verify(store.client, keys, MODEL, REGION_IDS, NOW)
    assert found == {region: [] for region in REGION_IDS}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_an_observation_comes_back_as_it_was(value: float) -> None:
    assert observations([member(NOW, value).encode()]) == [(NOW, value)]
