"""Files before they are uploaded: type, size, pixels and length, told in words that name the limit.

Types are seen by their first bytes, never by their names; only headers are read.
"""

import io
import struct

from django.utils.translation import gettext as _
from PIL import Image, UnidentifiedImageError

from crm.wecom.errors import BadFile
from crm.wecom.limits import MEGABYTE, limits

_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
_VOICE = (b"#!AMR\n", b"#!AMR-WB\n")


def check_media(content: bytes, *, kind: str, name: str) -> None:
    """For messages and welcomes: image, voice, video or file."""
    most = limits()
    sizes = {"image": most.image_bytes, "voice": most.voice_bytes, "video": most.video_bytes}
    _check(content, kind, name, sizes.get(kind, most.file_bytes))


def check_picture(content: bytes, *, name: str) -> None:
    """For ``upload_picture``, whose addresses last."""
    _check(content, "image", name, limits().picture_bytes)


def check_attachment(content: bytes, *, kind: str, name: str) -> None:
    """For Moments and the product album, where pixels and seconds count, too."""
    _check(content, kind, name, limits().attachment_bytes)
    if kind == "image":
        _check_pixels(content, name)
    if kind == "video":
        _check_seconds(content, name)


def _check(content: bytes, kind: str, name: str, largest: int) -> None:
    if len(content) < limits().file_least_bytes:
        raise BadFile(_("“%(name)s”是空的") % {"name": name})
    if len(content) > largest:
        said = _("“%(name)s”有 %(given).1f MB，最多 %(limit)g MB")
        size = {"given": len(content) / MEGABYTE, "limit": largest / MEGABYTE}
        raise BadFile(said % {"name": name, **size})
    if kind == "image" and not content.startswith(_PICTURES):
        raise BadFile(_("“%(name)s”不是 JPG 或 PNG 图片") % {"name": name})
    if kind == "voice" and not content.startswith(_VOICE):
        raise BadFile(_("“%(name)s”不是 AMR 语音") % {"name": name})
    if kind == "video" and content[4:8] != b"ftyp":
        raise BadFile(_("“%(name)s”不是 MP4 视频") % {"name": name})


def _check_pixels(content: bytes, name: str) -> None:
    """An ordinary picture is bounded by its area, a long one by its sides."""
    try:
        with Image.open(io.BytesIO(content), formats=["PNG", "JPEG"]) as picture:
            width, height = picture.size
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as broken:
        raise BadFile(_("“%(name)s”已损坏，无法读取") % {"name": name}) from broken
    except Image.DecompressionBombError as bomb:
        raise BadFile(_("“%(name)s”像素过大") % {"name": name}) from bomb
    most = limits()
    long, short = max(width, height), min(width, height)
    is_long_picture = long <= most.image_long_side and short <= most.image_short_side
    if width * height > most.image_pixels and not is_long_picture:
        said = _(
            "“%(name)s”有 %(width)s×%(height)s 像素，最多 %(area)s 像素，"
            "长图不超过 %(long)s×%(short)s"
        )
        asked = {"name": name, "width": width, "height": height, "area": most.image_pixels}
        asked |= {"long": most.image_long_side, "short": most.image_short_side}
        raise BadFile(said % asked)


def _check_seconds(content: bytes, name: str) -> None:
    seconds = video_seconds(content)
    if seconds is not None and seconds > limits().video_seconds:
        said = _("“%(name)s”有 %(given)d 秒，最多 %(limit)d 秒")
        asked = {"name": name, "given": round(seconds), "limit": limits().video_seconds}
        raise BadFile(said % asked)


def video_seconds(content: bytes) -> float | None:
    """How long an MP4 plays by its movie header; None where it has none that we can read."""
    moov = _box(content, b"moov")
    header = _box(moov, b"mvhd") if moov else None
    if not header or len(header) < 20:
        return None
    wide = header[0] == 1  # Version 1 has 64-bit times.
    layout, start = (">IQ", 20) if wide else (">II", 12)
    if len(header) < start + struct.calcsize(layout):
        return None
    scale, duration = struct.unpack_from(layout, header, start)
    return duration / scale if scale else None


def _box(content: bytes, kind: bytes) -> bytes | None:
    """The inside of the first box of a kind at this level."""
    at = 0
    while at + 8 <= len(content):
        size, name = struct.unpack_from(">I4s", content, at)
        head = 8
        if size == 1 and at + 16 <= len(content):
            size, head = struct.unpack_from(">Q", content, at + 8)[0], 16
        if size == 0:  # Reaches to the end.
            size = len(content) - at
        if size < head:
            return None
        if name == kind:
            return content[at + head : at + size]
        at += size
    return None
