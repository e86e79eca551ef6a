"""Pictures from outside: looked at before they are decoded, and written anew by us."""

import hashlib
import io
from dataclasses import dataclass

from django.http import FileResponse
from django.utils.translation import gettext as _
from PIL import Image, ImageOps, UnidentifiedImageError

from crm.shared.errors import DomainError

MAX_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 50_000_000  # Decoded: 150 MB at three bytes a pixel.
SIGNATURES = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG"}
EXTENSIONS = {"JPEG": "jpg", "PNG": "png"}
# What WeCom advises: ordinary pictures by area, long ones by their sides.
ADVISED_PIXELS, LONG_SIDE, SHORT_SIDE, LONG_FROM = 1440 * 1080, 10_800, 1080, 2.5


class PictureRefused(DomainError):
    """A picture that WeCom or we cannot take."""

    code = "image_rejected"


@dataclass(frozen=True)
class Picture:
    """A picture as we wrote it."""

    content: bytes
    extension: str
    width: int
    height: int

    @property
    def sha256(self) -> str:
        """What tells it from others."""
        return hashlib.sha256(self.content).hexdigest()


def cleaned(data: bytes, *, name: str) -> Picture:
    """The picture written anew; raises PictureRefused with the file's name and the remedy."""
    content, kind, (width, height) = _cleaned(data, name)
    return Picture(content, EXTENSIONS[kind], width, height)


def picture_response(file, *, name: str, extension: str) -> FileResponse:
    """A picture as a download, never as a page of ours."""
    response = FileResponse(
        file,
        content_type="image/png" if extension == "png" else "image/jpeg",
        as_attachment=True,
        filename=f"{name}.{extension}",
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "private, max-age=86400, immutable"
    return response


def _cleaned(data: bytes, name: str) -> tuple[bytes, str, tuple[int, int]]:
    if len(data) > MAX_BYTES:
        raise PictureRefused(_("图片“%(name)s”超过 10 MB，请压缩后再传") % {"name": name})
    kind = next((kind for start, kind in SIGNATURES.items() if data.startswith(start)), None)
    if kind is None:
        raise PictureRefused(_("“%(name)s”不是 JPG 或 PNG 图片，请转换格式后再传") % {"name": name})
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            fitted = _fitted(ImageOps.exif_transpose(picture))
    except Image.DecompressionBombError as bomb:
        raise PictureRefused(
            _("图片“%(name)s”像素过大，最多 %(n)s 万像素，请缩小后再传")
            % {"name": name, "n": MAX_PIXELS // 10_000}
        ) from bomb
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as broken:
        raise PictureRefused(_("图片“%(name)s”已损坏，无法读取") % {"name": name}) from broken
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
    picture.info.pop("comment", None)  # Would be written again as it came.
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
