"""Pictures for the Dagster UI: small SVG charts inside Markdown metadata.

Colours are chosen to be legible on the UI's light and dark backgrounds alike.
"""

import base64
from xml.sax.saxutils import escape

import dagster as dg

from regional_assets.intelligence.balance import BUFFERS, PRESSURES, Balance

_TEXT = "#8a8f98"
_TRACK = "#8a8f9833"
_PRESSURE = "#d9534f"
_BUFFER = "#3b8ed0"
_ROW = 22
_LABEL = 150
_WIDTH = 440
_VALUE = 50


def balance_picture(balance: Balance) -> dg.MarkdownMetadataValue:
    """The balance vector as bars from 0 to 1: pressures red, buffers blue."""
    rows = [(axis, _PRESSURE) for axis in PRESSURES] + [(axis, _BUFFER) for axis in BUFFERS]
    track = _WIDTH - _LABEL - _VALUE
    parts = []
    for position, (axis, colour) in enumerate(rows):
        top = position * _ROW
        value = balance.axes[axis]
        parts.append(
            f'<text x="{_LABEL - 8}" y="{top + 15}" text-anchor="end">{_label(axis)}</text>'
            f'<rect x="{_LABEL}" y="{top + 4}" width="{track}" height="14" rx="3" '
            f'fill="{_TRACK}"/>'
            f'<rect x="{_LABEL}" y="{top + 4}" width="{track * value:.1f}" height="14" rx="3" '
            f'fill="{colour}"/>'
            f'<text x="{_WIDTH - _VALUE + 8}" y="{top + 15}">{value:.3f}</text>'
        )
    bottom = len(rows) * _ROW
    parts.append(
        f'<text x="{_LABEL}" y="{bottom + 15}">net balance {balance.net_balance:+.3f}</text>'
    )
    return _image("balance vector", "".join(parts), _WIDTH, bottom + _ROW)


def _label(axis: str) -> str:
    return escape(axis.replace("_", " "))


def _image(alt: str, content: str, width: int, height: int) -> dg.MarkdownMetadataValue:
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="12" fill="{_TEXT}">{content}</svg>'
    )
    encoded = base64.b64encode(svg.encode()).decode()
    return dg.MetadataValue.md(f"![{alt}](data:image/svg+xml;base64,{encoded})")
