"""What a file says beside the pixels: kept in every format that can hold it, corrected, or said to be left out."""

from __future__ import annotations

import io
import json
import shutil
import struct
import subprocess
import zlib
from dataclasses import fields, replace
from pathlib import Path

import metadata_samples as samples
import numpy as np
import pillow_heif
import pytest
from PIL import Image

from srae.images.decode import decode
from srae.images.encode import encode
from srae.images.ifd import Field, TiffStructure, pack_directory, pack_header
from srae.images.image import TaggedImage, read_image, write_image
from srae.images.iptc import pack_resources
from srae.images.metadata import KEPT, NAMES, fit_tags, resize_info
from srae.images.png_chunks import hide_metadata
from srae.images.tags import Tags
from srae.images.texts import Text

SUFFIXES = {
    "PNG": ".png",
    "JPEG": ".jpg",
    "WEBP": ".webp",
    "TIFF": ".tif",
    "BMP": ".bmp",
    "AVIF": ".avif",
    "JXL": ".jxl",
}


def _written(kind: str, tags: Tags, size: tuple[int, int] = (6, 10), channels: int = 3) -> bytes:
    file = io.BytesIO()
    encode(file, kind, samples.pixels(*size, channels), tags)
    return file.getvalue()


def _tags(data: bytes) -> Tags:
    return decode(data, "a").tags


# -------------------------------------------------------------- every format into every other


@pytest.mark.parametrize("target", SUFFIXES)
@pytest.mark.parametrize("source", SUFFIXES)
def test_every_kind_from_every_format_into_every_other(source: str, target: str) -> None:
    read = _tags(_written(source, samples.everything(), (3, 5)))
    for field in fields(read):
        if field.name not in ("aspect", "dpi") and (source, field.name) != ("TIFF", "texts"):  # EXIF's description
            assert bool(getattr(read, field.name)) == (field.name in KEPT[source]), field.name
    found, notes = _tags(_written(target, read)), fit_tags(read, target, 6, 10).notes
    for field in NAMES:
        was, kept = getattr(read, field), field in KEPT[target]
        if was and not kept and not (field == "dpi" and read.exif):
            assert any(NAMES[field] in line for line in notes), field
    assert len(notes) == len(set(notes)) <= len(NAMES)
    if read.icc and "icc" in KEPT[target]:
        assert found.icc == read.icc or target == "JXL"  # which has a form of its own for sRGB
    if read.exif and "exif" in KEPT[target]:
        assert found.exif is not None
        numbers = samples.exif_numbers(found.exif)
        assert (numbers[40_962], numbers[40_963]) == ((10,), (6,))
        assert bytes(numbers[315]).rstrip(b"\0") == b"Ana of Graz"  # type: ignore[arg-type]
        assert numbers[37_380] == (-1, 3)
        assert samples.note_owner(found.exif) == b"Ana's camera"
    if read.dpi and (
        "dpi" in KEPT[target] or ("exif" in KEPT[target] and "TIFF" not in (source, target) and read.exif)
    ):
        assert found.dpi == pytest.approx((300, 200), abs=0.1)
    if read.xmp and "xmp" in KEPT[target]:
        assert found.xmp is not None
        wanted = samples.xmp(1, 6, 10)
        assert found.xmp.split() == wanted.split()
    if "iptc" in KEPT[target]:
        assert found.iptc == read.iptc
    if read.texts and "texts" in KEPT[target]:
        words = {text.words() for text in found.texts} | {found.exif and _description(found.exif)}
        assert any("a cat" in (word or "") for word in words)
        assert source != target or target != "PNG" or found.texts == read.texts
    if "color" in KEPT[target]:
        assert found.color == read.color
    if read.geo and "geo" in KEPT[target]:
        assert found.geo is not None
        assert {field.tag: field.value for field in found.geo.fields}[33_550] == (5.0, 10.0, 0.0)


def _description(block: bytes) -> str:
    return bytes(samples.exif_numbers(block).get(270, ())).rstrip(b"\0").decode()  # type: ignore[arg-type]


@pytest.mark.parametrize("target", SUFFIXES)
def test_strip_leaves_nothing(tmp_path: Path, target: str) -> None:
    tags = replace(samples.everything(), texts=(samples.TEXT, samples.PROMPT))
    path = tmp_path / f"a{SUFFIXES[target]}"
    write_image(path, TaggedImage(samples.pixels(6, 10), tags), metadata="strip")
    found = read_image(path).tags  # a BMP always has a resolution; the decoder of JPEG XL tells of sRGB
    assert replace(found, dpi=None, icc=None if target == "JXL" else found.icc) == Tags()
    for word in (b"Ana", b"a cat", b"capt", b"Steps", samples.ICC[:40], b"-9999"):
        assert word not in path.read_bytes()


@pytest.mark.parametrize("target", ["PNG", "JPEG", "TIFF"])
@pytest.mark.parametrize("aspect", [(1.0, 2.0), (3.0, 1.0)])
def test_the_shape_of_pixels_without_a_unit(target: str, aspect: tuple[float, float]) -> None:
    found = _tags(_written(target, Tags(aspect=aspect)))
    assert (found.dpi, found.aspect) == (None, aspect)


# ---------------------------------------------------------------------------- EXIF in place


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_exif_is_patched_where_it_stands(orientation: int, order: samples.Order) -> None:
    block = samples.exif(orientation, order=order)
    found = decode(samples.png((b"eXIf", block)), "a")
    patched = fit_tags(found.tags, "PNG", 70_000, 600).tags.exif
    assert patched is not None
    assert len(patched) == len(block)
    changed = {place for place, (old, new) in enumerate(zip(block, patched, strict=True)) if old != new}
    assert len(changed) <= 2 + 2 * 4 + 2 + 4 + (8 if orientation == 6 else 0)
    numbers = samples.exif_numbers(patched)
    assert (numbers[274], numbers[256], numbers[40_962], numbers[40_963]) == ((1,), (600,), (600,), (70_000,))
    assert numbers[282] == ((200, 1) if orientation == 6 else (300, 1))
    assert samples.note_owner(patched) == b"Ana's camera"
    structure = TiffStructure(io.BytesIO(patched))
    link = structure.read_directory(structure.first).next_at
    assert (patched[link : link + 4] == bytes(4)) == (orientation != 1), (
        "the thumbnail of a turned image is not upright"
    )
    assert any("thumbnail" in line for line in found.notes) == (orientation != 1)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_one_odd_tag_costs_at_most_itself(tmp_path: Path, suffix: str) -> None:
    """Every type and count on many tags; `place`s beyond the end too."""
    odd = [
        Field(tag, kind, _value(kind, count))
        for tag in (256, 270, 274, 700, 34_853)
        for kind in range(1, 14)
        for count in (0, 1, 3)
    ]
    for number, field in enumerate(odd):
        inside = (
            {"sub": [field._replace(tag=40_960)]}
            if number % 2
            else {"extra": [field]}
            if field.tag not in (256, 274, 34_853)
            else {}
        )
        block = samples.exif(**inside)  # type: ignore[arg-type]
        image = decode(samples.jpeg((0xE1, b"Exif\0\0" + block)), "a")
        assert image.tags.exif == block
        path = tmp_path / f"{number}{suffix}"
        write_image(path, TaggedImage(image.pixels, image.tags))
        again = read_image(path).tags.exif
        assert again is not None
        assert samples.note_owner(again) == b"Ana's camera"
        assert bytes(samples.exif_numbers(again)[315]) == b"Ana of Graz\0"  # type: ignore[arg-type]


def _value(kind: int, count: int) -> bytes | tuple[int, ...]:
    if kind in (1, 2, 7):
        return b"\xff" * count
    return (1,) * count * (2 if kind in (5, 10) else 1)


@pytest.mark.parametrize("order", ["<", ">"])
def test_no_damage_of_a_block_stops_reading_or_writing(order: samples.Order) -> None:
    draw = np.random.default_rng(0)
    for _ in range(150):
        block = bytearray(samples.exif(int(draw.integers(1, 9)), order=order))
        for place in draw.integers(0, len(block), draw.integers(1, 8)):
            block[place] = draw.choice([0, 1, 2, 16, 128, 255])
        image = decode(samples.png((b"eXIf", bytes(block))), "a")
        assert image.tags.exif is not None or any("EXIF" in line for line in image.notes)
        for target in ("PNG", "JPEG", "WEBP", "TIFF"):
            assert decode(_written(target, image.tags), "b").pixels.shape == (6, 10, 3)


@pytest.mark.parametrize("target", SUFFIXES)
@pytest.mark.parametrize("dpi", [1e-9, 0.3, 65_536.0, 1e9, 1e30])
def test_no_resolution_stops_writing(target: str, dpi: float) -> None:
    for tags in (Tags(dpi=(dpi, 1.0)), Tags(aspect=(1.0, dpi))):
        assert decode(_written(target, tags), "a").pixels.shape == (6, 10, 3)


@pytest.mark.parametrize(
    "block",
    [b"", b"II", b"no block at all", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff\x12\x01", b"MM\0*\0\0\0\x08"],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_damaged_exif_is_left_out_and_said(block: bytes, kind: str) -> None:
    data = samples.png((b"eXIf", block)) if kind == "PNG" else samples.jpeg((0xE1, b"Exif\0\0" + block))
    found = decode(data, "a")
    assert found.tags.exif is None
    assert any("EXIF" in line for line in found.notes) == bool(block or kind == "JPEG")


def test_exif_in_the_form_of_bigtiff_becomes_classic() -> None:
    big = bytearray(pack_header("<", True, 16) + pack_directory([Field(315, 2, b"Ana of Graz\0")], 16, "<", True))
    exif = _tags(samples.png((b"eXIf", bytes(big)))).exif
    assert exif is not None
    assert exif.startswith(b"II*\0")
    assert bytes(samples.exif_numbers(exif)[315]) == b"Ana of Graz\0"  # type: ignore[arg-type]


@pytest.mark.parametrize("target", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_exif_of_a_bigtiff(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("srae.images.write_tiff.MOST_BYTES", 0)
        big = _written("TIFF", samples.everything(), (3, 5))
    assert big[:4] == b"II+\0"
    read = decode(big, "a")
    assert np.array_equal(read.pixels, samples.pixels(3, 5))
    again = _tags(_written(target, read.tags)).exif
    assert again is not None
    assert again[:4] == b"II*\0"
    assert samples.note_owner(again) == b"Ana's camera"
    with Image.open(io.BytesIO(_written(target, read.tags))) as image:
        assert image.getexif()[315] == "Ana of Graz"
        assert image.getexif().get_ifd(34_853)[2] == (48, 12, 0)


def test_what_is_longer_than_a_segment_of_a_jpeg_is_said() -> None:
    long = samples.exif(extra=[Field(270, 2, b"x" * 70_000 + b"\0")])
    tags = Tags(exif=long, xmp=samples.xmp(1, 3, 5, inside="y" * 70_000), iptc=samples.IPTC * 5_000)
    assert _tags(_written("JPEG", tags)) == Tags()
    assert len(fit_tags(tags, "JPEG", 6, 10).notes) == 3
    assert fit_tags(tags, "PNG", 6, 10).notes == ()
    long_text = Text(b"tEXt", b"Title\0" + b"x" * 70_000)
    assert len(_tags(_written("JPEG", Tags(texts=(long_text, samples.TEXT)))).texts) == 1
    padded = samples.xmp(1, 3, 5).replace(b" " * 200, b" " * 70_000)
    assert _tags(_written("JPEG", Tags(xmp=padded))).xmp is not None


# ----------------------------------------------------------------- XMP, IPTC, texts, comments


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be"])
def test_xmp_is_corrected(encoding: str) -> None:
    packet = samples.xmp(6, 3, 5).decode().encode(encoding)
    found = _tags(samples.jpeg((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet)))
    fitted = fit_tags(found, "PNG", 60, 100).tags.xmp
    assert fitted is not None
    assert fitted == samples.xmp(1, 60, 100)


def test_xmp_tells_no_more_of_a_gain_map_and_a_video() -> None:
    inside = """<g:Version xmlns:g="http://ns.adobe.com/hdr-gain-map/1.0/">1.0</g:Version>
<C:Directory xmlns:C="http://ns.google.com/photos/1.0/container/"><rdf:Seq><rdf:li/></rdf:Seq></C:Directory>
<r:Description xmlns:M="http://ns.google.com/photos/1.0/camera/" M:MotionPhoto="1" M:MicroVideoOffset="7"/>"""
    packet = samples.xmp(1, 3, 5, inside=inside)
    found = decode(samples.jpeg((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet)), "a")
    assert found.tags.xmp is not None
    for word in (b"g:Version", b"Directory", b"MotionPhoto=", b"MicroVideo"):
        assert word not in found.tags.xmp
    assert b'title="a cat"' in found.tags.xmp
    assert sum("gain map" in line for line in found.notes) == 1
    assert sum("video" in line for line in found.notes) == 1


def test_a_panorama_states_its_frame_in_pixels() -> None:
    inside = """<r:Description xmlns:P="http://ns.google.com/photos/1.0/panorama/" P:CroppedAreaImageWidthPixels="50"
 P:FullPanoWidthPixels="100" P:CroppedAreaLeftPixels="20" P:PoseHeadingDegrees="50"/>"""
    fitted = fit_tags(Tags(xmp=samples.xmp(1, 3, 5, inside=inside)), "JPEG", 60, 100).tags.xmp or b""
    for word in ('ImageWidthPixels="100"', 'FullPanoWidthPixels="200"', 'LeftPixels="40"', 'HeadingDegrees="50"'):
        assert word.encode() in fitted


@pytest.mark.parametrize("form", ["resources", "8BIM with a name", "two segments"])
def test_iptc_of_photoshop(form: str) -> None:
    def resource(number: int, data: bytes, name: bytes = b"\0\0") -> bytes:
        return (
            b"8BIM" + struct.pack(">H", number) + name + struct.pack(">I", len(data)) + data + b"\0" * (len(data) % 2)
        )

    blocks = [resource(1005, bytes(16)), resource(0x0404, samples.IPTC, b"\3abc" if "name" in form else b"\0\0")]
    parts = blocks if "two" in form else [b"".join(blocks)]
    assert _tags(samples.jpeg(*((0xED, b"Photoshop 3.0\0" + part) for part in parts))).iptc == samples.IPTC


def test_iptc_of_a_tiff_as_numbers_of_32_bits() -> None:
    long_text = Text(b"tEXt", b"Title\0" + b"x" * 70_000)
    assert len(_tags(_written("JPEG", Tags(texts=(long_text, samples.TEXT)))).texts) == 1
    padded = samples.IPTC + b"\0" * (-len(samples.IPTC) % 4)
    tiff = bytearray(_written("TIFF", Tags(iptc=padded)))
    structure = TiffStructure(io.BytesIO(tiff))
    entry = structure.read_directory(structure.first).entries[33_723]
    swapped = b"".join(padded[i : i + 4][::-1] for i in range(0, len(padded), 4))
    for data in (padded, swapped):
        struct.pack_into("<HHI", tiff, entry.at, 33_723, 4, len(padded) // 4)
        tiff[entry.place : entry.place + len(padded)] = data
        assert _tags(bytes(tiff)).iptc == padded


@pytest.mark.parametrize(
    "comment", [b"plain", "höflich".encode(), "höflich".encode("latin-1"), "猫".encode("shift-jis")]
)
def test_comments_come_back_byte_by_byte(comment: bytes) -> None:
    read = _tags(samples.jpeg((0xFE, comment), (0xFE, b"second")))
    assert [text.unpack() for text in read.texts] == [comment, b"second"]
    for target in ("JPEG", "PNG"):
        assert [text.unpack() for text in _tags(_written(target, read)).texts] == [comment, b"second"]


def test_the_prompt_of_a_generator() -> None:
    prompt = samples.PROMPT
    workflow = (b"zTXt", b"workflow\0\0" + zlib.compress(b'{"node": 1}' * 1_000))
    read = _tags(samples.png((prompt.chunk, prompt.data), workflow))
    assert _tags(_written("PNG", read)).texts == (prompt, Text(*workflow))
    for target in ("JPEG", "WEBP", "TIFF"):
        with Image.open(io.BytesIO(_written(target, read))) as image:
            comment = image.getexif().get_ifd(34_665)[37_510]
        assert comment == b"UNICODE\0" + "a cat\nSteps: 20".encode("utf-16-be")
    assert any("text" in line for line in fit_tags(read, "WEBP", 6, 10).notes)
    assert [text.unpack() for text in _tags(_written("JPEG", read)).texts] == [b"workflow: " + b'{"node": 1}' * 1_000]


@pytest.mark.parametrize("words", [b"", b" profile"], ids=["ImageMagick", "exiftool"])
@pytest.mark.parametrize("iptc", [b"iptc", b"8bim"])
def test_profiles_in_texts(words: bytes, iptc: bytes) -> None:
    def raw(name: bytes, data: bytes) -> tuple[bytes, bytes]:
        value = b"\n%s\n%8d\n%s\n" % (name + words, len(data), data.hex().encode())
        return b"zTXt", b"Raw profile type " + name + b"\0\0" + zlib.compress(value)

    exif, xmp = b"Exif\0\0" + samples.exif(6), samples.xmp(1, 3, 5)
    resources = pack_resources(samples.IPTC)
    found = decode(samples.png(raw(b"exif", exif), raw(iptc, resources), raw(b"xmp", xmp)), "a")
    assert found.pixels.shape == (5, 3, 3), "upright"
    assert found.tags.exif is not None
    assert (found.tags.iptc, found.tags.xmp, found.tags.texts) == (samples.IPTC, samples.xmp(1, 3, 5), ())


# ----------------------------------------------------------------------------- PNG's chunks


@pytest.mark.parametrize("kind", ["zTXt", "iTXt", "XMP", "iCCP", "tEXt"])
@pytest.mark.parametrize("size", [2**21, 2**25])
def test_texts_and_profiles_of_more_than_a_megabyte(kind: str, size: int) -> None:
    packed = zlib.compress(b"<a/> abc" * (size // 8))
    chunks = {
        "zTXt": (b"zTXt", b"workflow\0\0" + packed),
        "iTXt": (b"iTXt", b"workflow\0\1\0\0\0" + packed),
        "XMP": (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + packed),
        "iCCP": (b"iCCP", b"p\0\0" + packed),
        "tEXt": (b"tEXt", b"workflow\0" + b"x" * size),
    }
    data = samples.png(chunks[kind])
    found = decode(data, "a.png")
    assert np.array_equal(found.pixels, samples.pixels(3, 5))
    kept = found.tags.xmp or found.tags.icc or found.tags.texts
    is_kept = size < 2**24 or kind in ("zTXt", "iTXt")  # packed texts are copied as they are
    assert bool(kept) == is_kept
    assert (found.notes == ()) == is_kept
    if found.tags.texts:
        assert chunks[kind] == (_tags(_written("PNG", found.tags)).texts[0].chunk, found.tags.texts[0].data)


def test_chunks_of_color_stay_in_png_and_are_missed_elsewhere() -> None:
    pq = ((b"cICP", bytes((9, 16, 0, 1))), (b"mDCV", bytes(24)), (b"cLLI", bytes(8)))
    srgb = ((b"gAMA", struct.pack(">I", 45_455)), (b"sRGB", b"\0"))
    for chunks, missed in ((pq, 1), (srgb, 0), (samples.GAMMA, 1), (((b"cICP", bytes((1, 13, 0, 1))),), 0)):
        read = _tags(samples.png(*chunks))
        assert read.color == chunks
        assert _tags(_written("PNG", read)).color == chunks
        assert len(fit_tags(read, "JPEG", 6, 10).notes) == missed
    assert _tags(samples.png((b"gAMA", b"\0"))).color == ()
    assert Tags(b"icc", color=pq).without_color_space() == Tags()


def test_chunks_behind_the_pixels_and_damaged_ones() -> None:
    plain = samples.png()
    behind = plain[:-12] + samples.chunk(samples.TEXT.chunk, samples.TEXT.data) + plain[-12:]
    assert _tags(behind).texts == (samples.TEXT,)
    damaged = bytearray(samples.png((samples.TEXT.chunk, samples.TEXT.data)))
    damaged[33 + 8 + 7] ^= 1
    found = decode(bytes(damaged), "a")
    assert found.tags.texts == ()
    assert len(found.notes) == 1
    credentials = decode(samples.png((b"caBX", b"jumb")), "a")
    assert any("C2PA" in line for line in credentials.notes)


def test_a_png_without_its_metadata_reads_like_a_file() -> None:
    chunks = [(b"tEXt", b"a\0" + bytes(range(1, 250))), (b"zTXt", b"b\0\0" + zlib.compress(b"b"))]
    file = hide_metadata(io.BytesIO(samples.png(*chunks)))
    plain = samples.png()
    assert file.read() == plain
    draw = np.random.default_rng(0)
    for _ in range(200):
        place, size = (int(number) for number in draw.integers(0, len(plain) + 9, 2))
        file.seek(place)
        assert file.read(size) == plain[place : place + size]
    assert file.seek(-4, io.SEEK_END) == len(plain) - 4
    other = io.BytesIO(b"no PNG")
    assert hide_metadata(other) is other


# ------------------------------------------------------------------------- second images


def test_other_images_in_a_jpeg_are_said() -> None:
    index = pack_header("<", False, 8) + pack_directory([Field(0xB001, 4, (2,))], 8, "<")
    iso = (0xE2, b"urn:iso:std:iso:ts:21496:-1\0" + bytes(4))
    for segments, word in (
        ([(0xE2, b"MPF\0" + index)], "1 more"),
        ([(0xE2, b"MPF\0" + index), iso], "gain map"),
        ([(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(40))], "extended XMP"),
        ([(0xEB, b"JP\0\1\0\0\0\1jumb")], "C2PA"),
    ):
        notes = decode(samples.jpeg(*segments), "a").notes
        assert len(notes) == 1
        assert word in notes[0]
    assert decode(samples.jpeg(), "a").notes == ()


# ------------------------------------------------------------------------ through libraries


def test_heic() -> None:
    file, pixels = io.BytesIO(), samples.pixels(16, 16)
    heif = pillow_heif.from_bytes("RGB", (16, 16), pixels.tobytes())
    heif.save(file, exif=samples.exif(size=(16, 16)), xmp=samples.xmp(1, 16, 16))
    read = _tags(file.getvalue())
    found = _tags(_written("JPEG", read, (32, 48)))
    assert found.exif is not None
    assert samples.exif_numbers(found.exif)[40_962] == (48,)
    assert samples.note_owner(found.exif) == b"Ana's camera"
    assert found.xmp is not None
    assert found.xmp.split() == samples.xmp(1, 32, 48).split()


def test_info_of_a_pillow_image_of_another_size() -> None:
    info = {
        "icc_profile": samples.ICC,
        "exif": b"Exif\0\0" + samples.exif(6),
        "xmp": samples.xmp(6, 3, 5),
        "XML:com.adobe.xmp": samples.xmp(6, 3, 5).decode(),
        "parameters": "a cat",
        "dpi": (300, 300),
        "transparency": 3,
        "jfif": 257,
    }
    found = resize_info(info, 6, 10)
    assert info.keys() - found.keys() == {"transparency", "jfif"}
    assert found["xmp"] == found["XML:com.adobe.xmp"].encode() == samples.xmp(6, 6, 10)
    numbers = samples.exif_numbers(found["exif"])
    assert (numbers[274], numbers[40_962], numbers[40_963]) == ((6,), (10,), (6,))
    assert "icc_profile" not in resize_info(info, 6, 10, converted=True)
    assert resize_info({"exif": b"damaged"}, 6, 10) == {"exif": b"damaged"}


# --------------------------------------------------------------------------------- GeoTIFF


@pytest.mark.parametrize("is_point", [False, True])
@pytest.mark.parametrize("by_matrix", [False, True])
def test_every_place_on_earth_stays_in_its_pixel(is_point: bool, by_matrix: bool) -> None:
    geo = samples.geo(is_point=is_point)
    if by_matrix:
        matrix = (10.0, 1.0, 0.0, 5e5, 2.0, -20.0, 0.0, 4e6, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
        geo = replace(geo, fields=(Field(34_264, 12, matrix), *geo.fields[2:]))
    found = _tags(_written("TIFF", Tags(geo=geo), (9, 10))).geo
    assert found is not None
    shift = 0.5 if is_point else 0.0
    for x, y in ((0.0, 0.0), (5.0, 3.0), (2.5, 1.0)):  # from the corner of the image, in its old pixels
        old = _place(geo.fields, x - shift, y - shift)
        assert _place(found.fields, 2 * x - shift, 3 * y - shift) == pytest.approx(old, abs=1e-6)
    assert {field.tag: field.value for field in found.fields}[42_113] == b"-9999\0"


def _place(fields: tuple[Field, ...], i: float, j: float) -> tuple[float, float]:
    by_tag = {field.tag: field.value for field in fields}
    if 34_264 in by_tag:
        a, b, _, d, e, f, _, h = by_tag[34_264][:8]
        return a * i + b * j + d, e * i + f * j + h
    column, row, _, x, y, _ = by_tag[33_922]
    across, down, _ = by_tag[33_550]
    return x + (i - column) * across, y - (j - row) * down


# -------------------------------------------------------------------------------- exiftool


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
@pytest.mark.parametrize("target", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_exiftool_reads_what_srae_writes(tmp_path: Path, target: str, order: samples.Order) -> None:
    tags = replace(samples.everything(), exif=samples.exif(order=order), color=())
    path = tmp_path / f"a{SUFFIXES[target]}"
    write_image(path, TaggedImage(samples.pixels(6, 10), fit_tags(tags, target, 6, 10).tags))
    done = subprocess.run(["exiftool", "-j", "-G1", "-a", "-n", path], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)[0]
    wanted = {
        "IFD0:Artist": "Ana of Graz",
        "ExifIFD:ExifImageWidth": 10,
        "ExifIFD:ExifImageHeight": 6,
        "GPS:GPSLatitudeRef": "N",
    }
    wanted |= {"XMP-tiff:Orientation": 1, "XMP-tiff:ImageWidth": 10, "InteropIFD:InteropIndex": "R98"}
    if "iptc" in KEPT[target]:
        wanted |= {"IPTC:Keywords": "cat", "IPTC:Caption-Abstract": "capt"}
    if target == "TIFF":
        wanted |= {"IFD0:PixelScale": "5 10 0", "IFD0:GDALNoData": -9999}
    assert wanted.items() <= found.items()
    assert not [key for key in found if "Warning" in key or "Error" in key]
