"""What a send carries from a material of the library beside its words, and who is to see it."""

from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import QuerySet

from crm import wecom
from crm.audiences.models import AudienceMember
from crm.content.cards import title_of, with_facts
from crm.content.models import Material, MaterialPicture
from crm.customers.models import Customer
from crm.groups.models import Membership
from crm.outreach.content import SendContent
from crm.outreach.models import MassSend
from crm.wecom.limits import limits

MEDIA_LIVES = timedelta(days=3)
MEDIA_MARGIN = timedelta(hours=1)


def with_material(content: SendContent, send: MassSend) -> SendContent:
    """The content with what its material tells and shows.

    Whoever goes on with the same material goes on with the picture that was taken then.
    """
    material = Material.unsafe_all.filter(pk=content.material_id).first()
    if material is None:
        return content
    content = replace(content, text=with_facts(content.text, material))
    if send.pk and send.material_id == material.pk:
        taken = {"picture": send.picture, "program_title": send.program_title}
        return replace(content, **taken, app_id=send.app_id, app_page=send.app_page)
    return replace(
        content,
        picture=material.picture,
        program_title=title_of(material) if material.app_id else "",
        app_id=material.app_id,
        app_page=material.app_page,
    )


def readers(send: MassSend) -> QuerySet[Customer]:
    """Everybody to whom it is offered, whoever will be left out: plans change until they go out."""
    if send.is_to_groups:
        stays = Membership.unsafe_all.current().filter(group__in=send.groups.all())
        return Customer.unsafe_all.filter(pk__in=stays.values("customer_id"))
    members = AudienceMember.objects.filter(audience_id=send.audience_id)
    return Customer.unsafe_all.filter(pk__in=members.values("customer_id"))


def upload(send: MassSend, *, now: datetime) -> None:
    """Give WeCom the picture where it has none, or one that is about to expire.

    A link shows its picture by an address that lasts; one that is too large for that goes without.
    """
    if (picture := send.picture) is None:
        return
    if send.link_url and not send.app_id:
        if not picture.address and picture.size <= limits().picture_bytes:
            _keep(
                picture, address=wecom.client().upload_picture(_read(picture), name=_name(picture))
            )
        return
    if (
        picture.media_id
        and picture.media_at
        and picture.media_at > now - MEDIA_LIVES + MEDIA_MARGIN
    ):
        return
    media = wecom.client().upload_media(_read(picture), name=_name(picture), kind="image")
    _keep(picture, media_id=media.media_id, media_at=now)


def forget_media(send: MassSend) -> None:
    """WeCom no longer knows the picture: it is uploaded again before the next call."""
    MaterialPicture.unsafe_all.filter(pk=send.picture_id).update(media_id="", media_at=None)


def _keep(picture: MaterialPicture, **told: object) -> None:
    MaterialPicture.unsafe_all.filter(pk=picture.pk).update(**told)
    for name, value in told.items():
        setattr(picture, name, value)


def _read(picture: MaterialPicture) -> bytes:
    with picture.file.open("rb") as file:
        return file.read()


def _name(picture: MaterialPicture) -> str:
    return f"{picture.pk.hex}.{picture.extension}"
