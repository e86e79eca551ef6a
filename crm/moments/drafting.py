"""Writing what a person filled in onto a moment, and reading it back."""

from dataclasses import replace
from datetime import datetime

from django.utils.translation import gettext as _

from crm.agents.models import User
from crm.content.actions import drop_use, use
from crm.content.cards import with_facts
from crm.content.models import Material, MaterialPicture
from crm.moments.audience import Choice, readers
from crm.moments.content import MomentContent, MomentRejected, content_hash, refuse_unfit
from crm.moments.models import Moment, MomentImage
from crm.moments.schedule import instant_of, refuse_past, wall_of, wall_text
from crm.shared.text import clean_text

USED_BY = "moment"  # What uses of a material call a moment.
_SIZES = ("size", "width", "height")
_COPIED = ("is_cover", "position", "file", "extension", "sha256", *_SIZES)


def fill(
    moment: Moment, content: MomentContent, *, by: User, now: datetime, complete: bool = True
) -> None:
    """Write content onto a moment; raises MomentRejected naming the field."""
    material = Material.unsafe_all.filter(pk=content.material_id).first()
    content = replace(content, text=with_facts(content.text, material))
    if material and material.app_id:
        words = _("朋友圈只能带图片或链接，不能带小程序，请另选素材")
        raise MomentRejected(words, field="material")
    if complete:
        refuse_unfit(content)
    moment.publish_at = instant_of(content.publish_wall, content.zone)
    refuse_past(moment.publish_at, now=now)
    moment.publish_wall, moment.zone = wall_text(content.publish_wall), content.zone
    moment.title = clean_text(content.title)
    moment.text = clean_text(content.text.replace("\r\n", "\n"))
    moment.link_title, moment.link_url = clean_text(content.link_title), content.link_url
    moment.everyone, moment.material_id = content.everyone, content.material_id
    moment.control_percent = content.control_percent
    moment.save()
    moment.senders.set(content.sender_ids)
    moment.sender_departments.set(content.department_ids)
    moment.tags.set(content.tag_ids)
    _attach(moment, content, by=by)
    moment.content_hash = content_hash(moment)
    moment.save(update_fields=["content_hash"])
    if moment.material_id is None:
        drop_use(subject_type=USED_BY, subject_id=moment.pk)
    else:
        use_material(moment, by=by, now=now)


def use_material(moment: Moment, *, by: User, now: datetime) -> None:
    """Note when its material goes out; raises MaterialRefused where that may not be used by then.

    Its interval does not hold here: nobody knows who will look at a post.
    """
    if moment.material is not None:
        said = {"subject_type": USED_BY, "subject_id": moment.pk, "at": moment.publish_at}
        use(material=moment.material, by=by, now=now, readers=readers(moment, by=by), **said)


def _attach(moment: Moment, content: MomentContent, *, by: User) -> None:
    """Tie pictures to the moment: those it has already, and fresh uploads of the same person."""
    wanted = [*content.image_ids, *([content.cover_id] if content.cover_id else [])]
    free = MomentImage.unsafe_all.filter(moment=None, uploaded_by=by)
    usable = {image.pk: image for image in (moment.images.all() | free).distinct()}
    if missing := [pk for pk in wanted if pk not in usable]:
        raise MomentRejected(
            _("有 %(n)s 张图片已不可用，请重新上传") % {"n": len(missing)}, field="images"
        )
    moment.images.exclude(pk__in=wanted).delete()
    library = content.picture if not (content.link_url and content.cover_id) else None
    if library:
        _show(moment, library, is_cover=bool(content.link_url), by=by)
    for position, pk in enumerate(wanted, start=1 if library else 0):  # The library's comes first.
        image = usable[pk]
        image.moment, image.position, image.is_cover = moment, position, pk == content.cover_id
        image.save(update_fields=["moment", "position", "is_cover"])


def _show(moment: Moment, picture: MaterialPicture, *, is_cover: bool, by: User) -> None:
    """A picture of the library on a moment; files are never changed, so both name the same one."""
    MomentImage.unsafe_all.create(
        moment=moment,
        is_cover=is_cover,
        uploaded_by=by,
        file=picture.file.name,
        **{name: getattr(picture, name) for name in ("extension", "sha256", *_SIZES)},
    )


def content_of(
    moment: Moment, *, publish_wall: datetime | None = None, with_images: bool = True
) -> MomentContent:
    """A moment's content, as somebody would have filled it in."""
    images = list(moment.images.all()) if with_images else []
    covers = [image.pk for image in images if image.is_cover]
    choice = Choice.of(moment)
    return MomentContent(
        title=moment.title,
        publish_wall=publish_wall or wall_of(moment.publish_wall),
        zone=moment.zone,
        text=moment.text,
        link_title=moment.link_title,
        link_url=moment.link_url,
        everyone=choice.everyone,
        sender_ids=choice.sender_ids,
        department_ids=choice.department_ids,
        tag_ids=choice.tag_ids,
        image_ids=tuple(image.pk for image in images if not image.is_cover),
        cover_id=covers[0] if covers else None,
        material_id=moment.material_id,
        control_percent=moment.control_percent,
    )


def copy_images(source: Moment, moment: Moment, *, by: User) -> None:
    """Give ``moment`` the pictures of ``source``."""
    for image in source.images.all():
        # Files are never changed, so both rows may name the same one.
        MomentImage.unsafe_all.create(
            moment=moment,
            uploaded_by=by,
            **{name: getattr(image, name) for name in _COPIED},
        )
