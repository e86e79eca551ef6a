"""What a send carries from a material of the library beside its words, and who is to see it."""

from collections.abc import Iterable
from dataclasses import replace

from django.db.models import QuerySet

from crm.audiences.models import AudienceMember
from crm.content.cards import title_of, with_facts
from crm.content.models import Material
from crm.customers.models import Customer
from crm.groups.models import Membership
from crm.outreach.content import SendContent
from crm.outreach.models import MassSend


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
        return people_of(group_ids=send.groups.values_list("pk", flat=True))
    return people_of(audience_id=send.audience_id)


def people_of(
    *, audience_id: int | None = None, group_ids: Iterable[int] = ()
) -> QuerySet[Customer]:
    """Everybody in an audience, or without one in some groups."""
    if audience_id is None:
        found = Membership.unsafe_all.current().filter(group__in=group_ids)
    else:
        found = AudienceMember.objects.filter(audience_id=audience_id)
    return Customer.unsafe_all.filter(pk__in=found.values("customer_id"))
