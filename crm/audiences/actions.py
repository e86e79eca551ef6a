"""Freezing an answer into an audience."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from crm.agents.actions import audit
from crm.agents.models import User
from crm.audiences.models import Audience, AudienceMember
from crm.customers.models import Customer
from crm.shared.errors import DomainError
from crm.shared.text import clean_text


class AudienceRefused(DomainError):
    """An audience cannot be frozen as asked."""


@transaction.atomic
def freeze_audience(
    *,
    name: str,
    customer_ids: Iterable[int],
    by: User,
    now: datetime,
    description: str = "",
    question: dict[str, Any] | None = None,
    source: str = "funnel",
) -> Audience:
    """Keep exactly these customers, within the actor's scope, under a name.

    Raises AudienceRefused for an empty name, an empty list, or ids outside the actor's scope.
    """
    wanted = set(customer_ids)
    if not (name := clean_text(name, limit=128)):
        raise AudienceRefused(_("请为人群取一个名称"), field="name")
    if not wanted:
        raise AudienceRefused(_("人群是空的：没有客户符合条件，未保存"))
    seen = set(Customer.objects.for_user(by).filter(pk__in=wanted).values_list("pk", flat=True))
    if seen != wanted:
        raise AudienceRefused(_("人群里有您无权查看的客户，未保存"))
    audience = Audience.unsafe_all.create(
        name=name,
        description=clean_text(description, limit=512),
        source=source,
        question=question or {},
        frozen_at=now,
        customer_count=len(wanted),
        created_by=by,
    )
    AudienceMember.objects.bulk_create(
        (AudienceMember(audience=audience, customer_id=pk) for pk in sorted(wanted)),
        batch_size=5_000,
    )
    audit(by, "audience.freeze", audience, now=now, customers=len(wanted))
    return audience
