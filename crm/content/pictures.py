"""Pictures of materials, kept under our own name."""

import uuid
from datetime import datetime, timedelta
from typing import BinaryIO

from django.core.files.base import ContentFile

from crm.agents.models import User
from crm.content.models import MaterialPicture, MaterialVersion
from crm.shared.pictures import MAX_BYTES, PictureRefused, cleaned

UNUSED_FOR = timedelta(days=1)


def store_picture(*, upload: BinaryIO, name: str, by: User | None) -> MaterialPicture:
    """Check, re-encode and keep a picture that belongs to no material yet.

    Raises PictureRefused with the file's name and the remedy.
    """
    try:
        made = cleaned(upload.read(MAX_BYTES + 1), name=name)
    except PictureRefused as refused:
        raise PictureRefused(str(refused), field="picture") from refused
    picture = MaterialPicture(
        id=uuid.uuid4(),
        extension=made.extension,
        sha256=made.sha256,
        size=len(made.content),
        width=made.width,
        height=made.height,
        uploaded_by=by,
    )
    picture.file.save("", ContentFile(made.content), save=False)
    picture.save()
    return picture


def forget_unused(*, now: datetime) -> int:
    """Delete uploads of unfinished forms after a day; returns how many."""
    # Every picture of a material is one of a version, too, and versions stay.
    kept = MaterialVersion.objects.exclude(picture=None).values("picture_id")
    old = MaterialPicture.unsafe_all.filter(uploaded_at__lt=now - UNUSED_FOR)
    count = 0
    for picture in old.exclude(pk__in=kept):
        picture.file.delete(save=False)
        picture.delete()
        count += 1
    return count
