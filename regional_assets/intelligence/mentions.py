"""What a forecast's text mentions, found in one pass over it (SPEC 3, "Case file mentions", and 4,
Actors and Scenarios)."""

import re
from itertools import chain

import msgspec
from ahocorasick_rs import AhoCorasick

from regional_assets.intelligence.scoring import Mentions as MentionWords


class Mentions(msgspec.Struct, frozen=True, gc=False):
    """Names of actors, each once, in the order in which they are looked for; the domains of the
    text; whether it mentions alliances or fragmentation."""

    actors: tuple[str, ...] = ()
    domains: frozenset[str] = frozenset()
    alliance: bool = False
    breaking: bool = False


class WordFinder:
    """Finds the words of a scoring in lower-cased texts."""

    def __init__(self, words: MentionWords) -> None:
        self._aliases = dict(words.aliases)
        self._order = {alias: position for position, alias in enumerate(self._aliases)}
        self._names = frozenset(self._aliases)
        self._alliance = frozenset((*words.alliance, *words.alliances))
        self._breaking = frozenset(words.breaking)
        self._domains = {
            word: [domain for domain, members in words.domains.items() if word in members]
            for word in chain(*words.domains.values())
        }
        # The name first, so that a search leaps from one to the next instead of testing every
        # place.
        self._whole = {
            name: re.compile(rf"{re.escape(name)}(?<!\w{re.escape(name)})(?!\w)")
            for name in (*self._aliases, *words.alliances)
        }
        self._whole_names = frozenset(self._whole)
        self._all = AhoCorasick({*self._whole, *self._alliance, *self._breaking, *self._domains})

    def mentions(self, text: str) -> Mentions:
        """What a lower-cased text mentions."""
        found = self._contained(text)
        for name in found & self._whole_names:
            if not self._whole[name].search(text):
                found.remove(name)
        if not found:
            return Mentions()
        aliases = sorted(found & self._names, key=self._order.__getitem__)
        return Mentions(
            actors=tuple(dict.fromkeys(map(self._aliases.__getitem__, aliases))),
            domains=frozenset([d for word in found for d in self._domains.get(word, ())]),
            alliance=not found.isdisjoint(self._alliance),
            breaking=not found.isdisjoint(self._breaking),
        )

    def _contained(self, text: str) -> set[str]:
        """Those of all words that the text contains, be it within other words."""
        try:
            return set(self._all.find_matches_as_strings(text, overlapping=True))
        except UnicodeEncodeError:
            # Lone surrogates, which are part of no word.
            return self._contained(text.encode(errors="replace").decode())
