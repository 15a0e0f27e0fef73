"""The pictures in the metadata of materialisations."""

import base64
from xml.etree import ElementTree


def svg(picture: str) -> ElementTree.Element:
    """The SVG in a picture's Markdown; raises when it is not well-formed."""
    encoded = picture.partition(";base64,")[2].removesuffix(")")
    return ElementTree.fromstring(base64.b64decode(encoded, validate=True))


def texts(image: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in image.iter("{http://www.w3.org/2000/svg}text")]
