"""The page: one HTML file that needs nothing else and may ask for nothing.

Every text in it is data. `_shown` cleans and bounds each, and the template escapes it.
"""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined

from regional_assets.board.figures import HEIGHT, LATENCIES, WIDTH, latency_share, line_of
from regional_assets.board.view import Board, board_of
from regional_assets.board.world_map import MAP_STYLE
from regional_assets.intelligence.stored import YEAR_10000
from regional_assets.intelligence.text import visible, words
from regional_assets.intelligence.timing import age, utc
from regional_assets.intelligence.transmission import UNITS
from regional_assets.runs.records import read_records
from regional_assets.runs.snapshots import uncollected
from regional_assets.store.snapshot_store import SnapshotStore

# The page's name among the files of `REGIONAL_FILES`.
BOARD_FILE = "board.html"

# No text of the page is longer; a narrative's passage is at most as long.
_MOST_CHARACTERS = 1_200


@uncollected()
def make_board(store: SnapshotStore, regions: Sequence[str], now: int) -> tuple[Board, str]:
    """The board of `regions` as of `now` (ms), and its page. Of more than `MOST_REGIONS` it has
    those under most pressure. Raises `StoreError` when the server is unavailable."""
    board = board_of(read_records(store, regions, now))
    return board, render(board)


def render(board: Board) -> str:
    """The page of the board, as HTML."""
    return _environment().get_template("board.html").render(board=board)


@cache
def _environment() -> Environment:
    files = resources.files(__package__)
    style = files.joinpath("board.css").read_text(encoding="utf-8")
    page = files.joinpath("board.html").read_text(encoding="utf-8")
    environment = Environment(
        loader=DictLoader({"board.html": page}),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "age": age,
        "utc": _utc,
        "words": words,
        "signed": _signed,
        "share": latency_share,
    }
    environment.globals |= {
        "style": style,
        "digests": [_digest(style), _digest(MAP_STYLE)],
        "line_of": line_of,
        "width": WIDTH,
        "height": HEIGHT,
        "latencies": LATENCIES,
        "units": UNITS,
    }
    return environment


def _digest(style: str) -> str:
    """By which the page's policy knows a style."""
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


def _shown(value: Any) -> Any:
    """A value as it is put into the page, before it is escaped: a text with its invisible
    characters shown, cut where it goes on without end. HTML of the template's own stays."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return visible(value if len(value) <= _MOST_CHARACTERS else f"{value[:_MOST_CHARACTERS]}…")


def _utc(at: float) -> str:
    return utc(at) if 0 <= at < YEAR_10000 else "at a time that cannot be"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")
