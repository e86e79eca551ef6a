"""Pictures of moments, kept under our own name."""

import uuid
from datetime import datetime, timedelta
from typing import BinaryIO

from django.core.files.base import ContentFile

from crm.agents.models import User
from crm.moments.content import MomentRejected
from crm.moments.models import MomentImage
from crm.shared.pictures import MAX_BYTES, PictureRefused, cleaned

UNUSED_FOR = timedelta(days=1)


class ImageRejected(MomentRejected):
    """A picture that WeCom or we cannot take."""

    code = "image_rejected"


def store_image(*, upload: BinaryIO, name: str, by: User | None) -> MomentImage:
    """Check, re-encode and keep a picture that belongs to no moment yet.

    Raises ImageRejected with the file's name and the remedy.
    """
    try:
        picture = cleaned(upload.read(MAX_BYTES + 1), name=name)
    except PictureRefused as refused:
        raise ImageRejected(str(refused), field="images") from refused
    image = MomentImage(
        id=uuid.uuid4(),
        extension=picture.extension,
        sha256=picture.sha256,
        size=len(picture.content),
        width=picture.width,
        height=picture.height,
        uploaded_by=by,
    )
    image.file.save("", ContentFile(picture.content), save=False)
    image.save()
    return image


def forget_unused(*, now: datetime) -> int:
    """Delete uploads of unfinished forms after a day; returns how many."""
    unused = MomentImage.unsafe_all.filter(moment=None, uploaded_at__lt=now - UNUSED_FOR)
    count = 0
    for image in unused:
        image.file.delete(save=False)
        image.delete()
        count += 1
    return count
