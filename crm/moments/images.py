"""Pictures: looked at before they are decoded, re-encoded by us, kept under our own name."""

import hashlib
import io
import uuid
from datetime import datetime, timedelta
from typing import BinaryIO

from django.core.files.base import ContentFile
from django.utils.translation import gettext as _
from PIL import Image, ImageOps, UnidentifiedImageError

from crm.agents.models import User
from crm.moments.content import MomentRejected
from crm.moments.models import MomentImage

MAX_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 50_000_000  # Decoded: 150 MB at three bytes a pixel.
SIGNATURES = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG"}
UNUSED_FOR = timedelta(days=1)
EXTENSIONS = {"JPEG": "jpg", "PNG": "png"}
# What WeCom advises: ordinary pictures by area, long ones by their sides.
ADVISED_PIXELS, LONG_SIDE, SHORT_SIDE, LONG_FROM = 1440 * 1080, 10_800, 1080, 2.5


class ImageRejected(MomentRejected):
    """A picture that WeCom or we cannot take."""

    code = "image_rejected"


def store_image(*, upload: BinaryIO, name: str, by: User | None) -> MomentImage:
    """Check, re-encode and keep a picture that belongs to no moment yet.

    Raises ImageRejected with the file's name and the remedy.
    """
    data = upload.read(MAX_BYTES + 1)
    content, kind, size = _cleaned(data, name)
    image = MomentImage(
        id=uuid.uuid4(),
        extension=EXTENSIONS[kind],
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        width=size[0],
        height=size[1],
        uploaded_by=by,
    )
    image.file.save("", ContentFile(content), save=False)
    image.save()
    return image


def _cleaned(data: bytes, name: str) -> tuple[bytes, str, tuple[int, int]]:
    if len(data) > MAX_BYTES:
        raise ImageRejected(
            _("图片“%(name)s”超过 10 MB，请压缩后再传") % {"name": name}, field="images"
        )
    kind = next((kind for start, kind in SIGNATURES.items() if data.startswith(start)), None)
    if kind is None:
        raise ImageRejected(
            _("“%(name)s”不是 JPG 或 PNG 图片，请转换格式后再传") % {"name": name}, field="images"
        )
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            fitted = _fitted(ImageOps.exif_transpose(picture))
    except Image.DecompressionBombError as bomb:
        raise ImageRejected(
            _("图片“%(name)s”像素过大，最多 %(n)s 万像素，请缩小后再传")
            % {"name": name, "n": MAX_PIXELS // 10_000},
            field="images",
        ) from bomb
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as broken:
        raise ImageRejected(
            _("图片“%(name)s”已损坏，无法读取") % {"name": name}, field="images"
        ) from broken
    return _encoded(fitted, kind)


def _fitted(picture: Image.Image) -> Image.Image:
    long, short = max(picture.size), min(picture.size)
    if long >= short * LONG_FROM:
        factor = min(1.0, LONG_SIDE / long, SHORT_SIDE / short)
    else:
        factor = min(1.0, (ADVISED_PIXELS / (long * short)) ** 0.5)
    if factor < 1.0:
        size = (max(1, int(picture.width * factor)), max(1, int(picture.height * factor)))
        picture = picture.convert("RGBA" if _has_alpha(picture) else "RGB").resize(size)
    return picture


def _encoded(picture: Image.Image, kind: str) -> tuple[bytes, str, tuple[int, int]]:
    """Written anew, so that nothing but pixels survives: no metadata, no appended files."""
    output = io.BytesIO()
    if kind == "PNG":
        plain = picture.convert("RGBA" if _has_alpha(picture) else "RGB")
        plain.save(output, "PNG", optimize=True)
        if output.tell() <= MAX_BYTES:
            return output.getvalue(), "PNG", picture.size
        output = io.BytesIO()
    picture.convert("RGB").save(output, "JPEG", quality=88, optimize=True)
    return output.getvalue(), "JPEG", picture.size


def _has_alpha(picture: Image.Image) -> bool:
    return "A" in picture.getbands() or "transparency" in picture.info


def forget_unused(*, now: datetime) -> int:
    """Delete uploads of unfinished forms after a day; returns how many."""
    unused = MomentImage.unsafe_all.filter(moment=None, uploaded_at__lt=now - UNUSED_FOR)
    count = 0
    for image in unused:
        image.file.delete(save=False)
        image.delete()
        count += 1
    return count
