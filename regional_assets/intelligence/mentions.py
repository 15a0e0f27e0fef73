"""What a forecast's text mentions, found in one pass over it (SPEC 3, "Case file mentions", and 4,
Actors and Scenarios)."""

import re
from itertools import chain

import msgspec
from ahocorasick_rs import AhoCorasick

# In the order in which they are looked for, which decides ties.
_ALIASES = {
    "iran": "Iran",
    "irgc": "IRGC",
    "tehran": "Iran",
    "russia": "Russia",
    "kremlin": "Russia",
    "moscow": "Russia",
    "china": "China",
    "prc": "China",
    "beijing": "China",
    "united states": "United States",
    "usa": "United States",
    "us": "United States",
    "washington": "United States",
    "israel": "Israel",
    "idf": "Israel",
    "saudi arabia": "Saudi Arabia",
    "riyadh": "Saudi Arabia",
    "nato": "NATO",
    "hezbollah": "Hezbollah",
    "hamas": "Hamas",
    "houthis": "Houthis",
    "houthi": "Houthis",
    "ansarallah": "Houthis",
}
_NAMES = frozenset(_ALIASES)
_ORDER = {alias: position for position, alias in enumerate(_ALIASES)}
_DOMAINS = {
    "economic": ("sanction", "trade"),
    "military": ("naval", "missile", "strike", "military", "fleet"),
    "energy": ("oil", "gas", "pipeline", "energy", "opec"),
    "diplomatic": ("diplomat", "alliance", "treaty", "summit"),
    "maritime": ("strait", "chokepoint", "maritime", "shipping", "naval"),
}
_ALLIANCES = ("nato", "gcc")
_ALLIANCE = frozenset(("alliance", "treaty", "coordination", "coalition", *_ALLIANCES))
_BREAKING = frozenset(("fragment", "collapse", "breakdown"))

_DOMAINS_OF = {
    word: [domain for domain, words in _DOMAINS.items() if word in words]
    for word in chain(*_DOMAINS.values())
}

# The name first, so that a search leaps from one to the next instead of testing every place.
_WHOLE_WORD = {name: re.compile(rf"{name}(?<!\w{name})(?!\w)") for name in (*_ALIASES, *_ALLIANCES)}
_WHOLE = frozenset(_WHOLE_WORD)
_WORDS = AhoCorasick({*_WHOLE_WORD, *_ALLIANCE, *_BREAKING, *_DOMAINS_OF})


class Mentions(msgspec.Struct, frozen=True, gc=False):
    """Names of actors, each once, in the order in which they are looked for; the domains of the
    text; whether it mentions alliances or fragmentation."""

    actors: tuple[str, ...] = ()
    domains: frozenset[str] = frozenset()
    alliance: bool = False
    breaking: bool = False


def mentions(text: str) -> Mentions:
    """What a lower-cased text mentions."""
    found = _contained(text)
    for name in found & _WHOLE:
        if not _WHOLE_WORD[name].search(text):
            found.remove(name)
    if not found:
        return Mentions()
    aliases = sorted(found & _NAMES, key=_ORDER.__getitem__)
    return Mentions(
        actors=tuple(dict.fromkeys(map(_ALIASES.__getitem__, aliases))),
        domains=frozenset([domain for word in found for domain in _DOMAINS_OF.get(word, ())]),
        alliance=not found.isdisjoint(_ALLIANCE),
        breaking=not found.isdisjoint(_BREAKING),
    )


def _contained(text: str) -> set[str]:
    """Those of all words that the text contains, be it within other words."""
    try:
        return set(_WORDS.find_matches_as_strings(text, overlapping=True))
    except UnicodeEncodeError:
        # Lone surrogates, which are part of no word.
        return _contained(text.encode(errors="replace").decode())
