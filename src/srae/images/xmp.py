"""XMP packets, corrected as text: every byte that need not change stays.  Pure.

An XML library would write the packet anew, with other prefixes and another
order.  All searches here take time that is linear in the packet.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from itertools import islice

XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"
"""Before the packet in a segment of a JPEG."""
_TIFF, _EXIF = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/"
_PANORAMA = "http://ns.google.com/photos/1.0/panorama/"
_GAIN_MAP, _CAMERA = "http://ns.adobe.com/hdr-gain-map/1.0/", "http://ns.google.com/photos/1.0/camera/"
_LOST = {
    _GAIN_MAP: r"\w+",
    "http://ns.google.com/photos/1.0/container/": "Directory",
    _CAMERA: r"M(?:icroVideo|otionPhoto)\w*",
    "http://ns.adobe.com/xmp/note/": "HasExtendedXMP",
}
"""Properties, by namespace, of what follows the image in its file: gain maps, videos of motion photos, a second packet.

Readers that find them look for what they tell of.
"""
_ENCODINGS = (
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"), (b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"),
)  # fmt: skip
_MOST_PREFIXES = 4  # of one namespace; each is searched for


def clean_xmp(packet: bytes) -> bytes:
    """In UTF-8, orientation 1, and without properties of what is not read from the file."""
    text = _replace(_decode(packet), _TIFF, "Orientation", lambda _: "1")
    for namespace, names in _LOST.items():
        for prefix in _prefixes(text, namespace):
            text = re.sub(rf"""\s{prefix}:{names}\s*=\s*(?:"[^"<]*"|'[^'<]*')""", "", text)
            text = _without_elements(text, f"{prefix}:{names}")
    return _encode(text)


def resize_xmp(packet: bytes, height: int, width: int) -> bytes:
    """The sizes that a packet from `clean_xmp` states become these; those of a panorama in proportion."""
    text = packet.decode(errors="surrogateescape")
    for namespace, name, side in (
        (_TIFF, "ImageWidth", width),
        (_TIFF, "ImageLength", height),
        (_EXIF, "PixelXDimension", width),
        (_EXIF, "PixelYDimension", height),
    ):
        text = _replace(text, namespace, name, lambda _, side=side: str(side))  # type: ignore[misc]
    text = _resize_panorama(text, ("Width", "Left"), width)
    return _encode(_resize_panorama(text, ("Height", "Top"), height))


def without_padding(packet: bytes) -> bytes:
    """Without the blanks at the end that editors leave for themselves."""
    head, end, tail = packet.rstrip().rpartition(b"<?xpacket end")
    return head.rstrip() + b"\n" + end + tail if end else tail


def has_gain_map(packet: bytes) -> bool:
    """Whether it tells of an HDR gain map; of a packet as found in the file."""
    return _GAIN_MAP in _decode(packet)


def has_video(packet: bytes) -> bool:
    """Whether it tells of the video of a motion photo; of a packet as found in the file."""
    text = _decode(packet)
    return _CAMERA in text and re.search(_LOST[_CAMERA], text) is not None


def _decode(packet: bytes) -> str:
    encoding = next((name for start, name in _ENCODINGS if packet.startswith(start)), "utf-8")
    return packet.decode(encoding, "surrogateescape" if encoding == "utf-8" else "replace").rstrip("\0")


def _encode(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _prefixes(text: str, namespace: str) -> set[str]:
    """By which names the packet calls a namespace, ready for a regular expression."""
    declared = rf"""xmlns:([\w.-]+)\s*=\s*["']{re.escape(namespace)}["']"""
    return {re.escape(found[1]) for found in islice(re.finditer(declared, text), _MOST_PREFIXES)}


def _replace(text: str, namespace: str, name: str, change: Callable[[str], str]) -> str:
    """New values for a property without parts, whether it is an attribute or an element."""
    for prefix in _prefixes(text, namespace):
        attribute = rf"""(\s{prefix}:{name}\s*=\s*["'])([^"'<]*)(["'])"""
        element = rf"(<{prefix}:{name}(?:\s[^<>]*)?>)([^<]*)(</{prefix}:{name}\s*>)"
        for pattern in (attribute, element):
            text = re.sub(pattern, lambda found: found[1] + change(found[2]) + found[3], text)
    return text


def _without_elements(text: str, names: str) -> str:
    kept, end = [], 0
    for opening in re.finditer(rf"<({names})(?:\s[^<>]*)?>", text):
        if opening.start() < end:
            continue
        closing = opening.start() if opening[0].endswith("/>") else text.find(f"</{opening[1]}", opening.end())
        if closing < 0:
            break
        kept.append(text[end : opening.start()])
        end = text.find(">", closing) + 1 or len(text)
    return "".join(kept) + text[end:]


def _resize_panorama(text: str, names: tuple[str, str], size: int) -> str:
    """One direction of a panorama's frame, which counts in pixels of the image.

    Args:
        names: of the side and of the edge from which it counts.
    """
    side, edge = f"CroppedAreaImage{names[0]}Pixels", f"CroppedArea{names[1]}Pixels"
    found: list[str] = []
    _replace(text, _PANORAMA, side, lambda value: found.append(value) or value)  # type: ignore[func-returns-value]
    old = next((int(value) for value in found if re.fullmatch(r"[1-9]\d{0,8}", value)), None)
    if old is None:
        return text

    def scale(value: str) -> str:
        return str(round(int(value) * size / old)) if re.fullmatch(r"\d{1,9}", value) else value

    for name in (side, edge, f"FullPano{names[0]}Pixels"):
        text = _replace(text, _PANORAMA, name, scale)
    return text
