"""What a forecast's text speaks of (SPEC 3 and 4): found in one pass, the same as word by word."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regional_assets.intelligence.mentions import Mentions
from regional_assets_tests.support.built_in import MODEL

mentions = MODEL.word_finder.mentions

# Boundaries of words of every kind, and words that hold others.
PIECES = st.sampled_from(
    ["us", "usa", "busy", "iran", "irans", "united", "states", "saudi", "arabia", "houthis",
     "houthi", "nato", "gcc", "idf", "turmoil", "spoils", "gasp", "strait", "strike", "trade",
     "naval", "alliance", "coalition", "collapse", "breakdowns", "fragmented", " ", " ", " ", "-",
     "_", "9", ".", "’", "é", "\u0130", "\ud800", "😀", "\n"]
)  # fmt: skip


def whole(name: str, text: str) -> bool:
    return re.search(rf"\b{name}\b", text) is not None


@given(st.lists(PIECES, max_size=12).map("".join))
def test_the_same_as_word_by_word(text: str) -> None:
    found = mentions(text)
    assert ("United States" in found.actors) == any(
        whole(alias, text) for alias in ("united states", "usa", "us", "washington")
    )
    assert ("Iran" in found.actors) == (whole("iran", text) or whole("tehran", text))
    assert ("Houthis" in found.actors) == (whole("houthis", text) or whole("houthi", text))
    assert ("Saudi Arabia" in found.actors) == (whole("saudi arabia", text) or "riyadh" in text)
    assert ("NATO" in found.actors) == whole("nato", text)
    assert ("energy" in found.domains) == any(
        word in text for word in ("oil", "gas", "pipeline", "energy", "opec")
    )
    assert ("military" in found.domains) == any(word in text for word in ("naval", "strike"))
    assert ("economic" in found.domains) == ("trade" in text or "sanction" in text)
    assert ("maritime" in found.domains) == ("strait" in text or "naval" in text)
    assert found.alliance == (
        any(word in text for word in ("alliance", "treaty", "coordination", "coalition"))
        or whole("nato", text)
        or whole("gcc", text)
    )
    assert found.breaking == any(word in text for word in ("fragment", "collapse", "breakdown"))


@pytest.mark.parametrize("text", ["", "nothing of note", "irans usable", "\ud800"])
def test_nothing(text: str) -> None:
    assert mentions(text) == Mentions()


def test_actors_come_in_the_order_in_which_they_are_looked_for() -> None:
    assert mentions("tehran, the irgc, moscow and iran").actors == ("Iran", "IRGC", "Russia")
    assert mentions("tehran, the irgc and moscow").actors == ("IRGC", "Iran", "Russia")


def test_a_lone_surrogate_hides_nothing() -> None:
    assert mentions("iran\ud800 naval").actors == ("Iran",)
    assert mentions("iran\ud800 naval").domains == {"military", "maritime"}
