"""Which entries of the siren feed are sirens (SPEC 2.6): since 2025 the official source also sends
that an event has ended, that one is expected, drills and earthquakes as ordinary entries."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from regional_assets.intelligence.inputs import milliseconds
from regional_assets.intelligence.numbers import parse_number
from regional_assets.intelligence.tally import Tally
from regional_assets.intelligence.text import text_of
from regional_assets.intelligence.timing import FUTURE_TOLERANCE_MS, MINUTE_MS

# Words of a category, of the main source.
_SIREN = re.compile("MISSILE|ROCKET|DRONE|UAV|AIRCRAFT|MORTAR|INFILTRATION|^ALERT$|^SIREN")
_NO_SIREN = re.compile(
    "EARTHQUAKE|TSUNAMI|HAZ|RADIO|NEWS|FLASH|DRILL|TEST|END|CLEAR|UPDATE|WARNING"
)
# Words of a title or description that decide whatever the category is: it has ended, it is
# expected, it is a drill, it is no attack.
_NOT_NOW = re.compile(
    "הסתיים|ניתן לצאת|שחרור|בדקות הקרובות|צפויות|צפוי|תרגיל|בדיקה|רעידת אדמה|צונאמי|חומרים מסוכנים"
    "|\\bended\\b|all clear|is over|may leave|in the next few minutes|in the coming minutes"
    "|(are|is) expected|drill|exercise|test alert|earthquake|tsunami|hazardous",
    re.IGNORECASE,
)
# Numbers of the official source, in the live feed and in its history: they differ. Those that say
# "take shelter now", and all that are known.
_LIVE, _LIVE_KNOWN = {1, 2, 6, 13}, {*range(1, 8), 10, 13, *range(101, 108), 113}
_HISTORY, _HISTORY_KNOWN = {1, 2, 3, 4, 10}, set(range(1, 29))


def active_localities(
    waves: Iterable[Mapping[str, Any]], tally: Tally, now: int, span: float
) -> tuple[int, int]:
    """In how many localities sirens sounded in the last `span` minutes before `now` (ms), each
    counted once, and how many waves are dated. An alert is of its first wave, however often it was
    polled."""
    dated: list[tuple[float, Mapping[str, Any]]] = []
    for wave in waves:
        at = milliseconds(wave.get("timestamp"))
        if at is None:
            tally.skipped += 1
        else:
            tally.incomplete += wave.get("alerts") is None
            dated.append((at, wave))
    sounded: set[str] = set()
    known: set[str] = set()
    for at, wave in sorted(dated, key=lambda pair: pair[0]):
        recent = now - span * MINUTE_MS <= at <= now + FUTURE_TOLERANCE_MS
        alerts = tally.objects(wave.get("alerts")) if recent else _objects(wave.get("alerts"))
        for alert in alerts:
            id = str(alert.get("id") or "")
            if id in known or not _is_siren(alert, tally if recent else Tally()):
                continue
            known |= {id} if id else set()
            if recent:
                sounded |= set(_localities(alert, f"alert {len(known)} {len(sounded)}"))
    return len(sounded), len(dated)


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _is_siren(alert: Mapping[str, Any], tally: Tally) -> bool:
    """Whether the entry says "take shelter now"; one whose category is not known is skipped."""
    # A description is read only where there is no title: a siren's says when it will be over.
    title = f"{text_of(alert.get('title'))} {text_of(alert.get('titleHe'))}".strip()
    if _NOT_NOW.search(title or text_of(alert.get("desc"))):
        return False
    in_history = "alertDate" in alert or "category" in alert
    stated = alert.get("category") if alert.get("cat") is None else alert["cat"]
    if stated is None or stated == "":
        return True
    number = parse_number(stated)
    if number is not None:
        shelter, every = (_HISTORY, _HISTORY_KNOWN) if in_history else (_LIVE, _LIVE_KNOWN)
        if number not in every:
            tally.unknown(f"category {number:g}")
        return number in shelter
    word = text_of(stated).strip().upper()
    if _NO_SIREN.search(word):
        return False
    if not _SIREN.search(word):
        tally.unknown(f"category {word}")
        return False
    return True


def _localities(alert: Mapping[str, Any], nameless: str) -> list[str]:
    """The places, by their names in the language in which both sources have them. An entry without
    a list of places is one."""
    places, names = alert.get("data"), alert.get("dataHe")
    if places == {}:
        return []
    if not isinstance(places, list):
        return [nameless]
    found = names if isinstance(names, list) and len(names) == len(places) else places
    named = [" ".join(text_of(place).split()).casefold() or nameless for place in found]
    # Its own tests carry the word for one as a place.
    return [place for place in named if "בדיקה" not in place]
