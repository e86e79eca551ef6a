"""Saved audiences: the list, what question one came from, and its members in scope."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from crm.audiences.models import Audience, AudienceMember
from crm.customers.models import Customer, CustomerQuerySet
from crm.customers.queries import customer_rows
from crm.shared.paging import Page, keyset_page
from crm.timeline.models import FactKind

SOURCES = {
    "funnel": gettext_lazy("漏斗"),
    "retention": pgettext_lazy("report", "留存"),
    "segment": gettext_lazy("分群"),
    "segment-over-time": gettext_lazy("分群变化"),
    "audience": gettext_lazy("人群分析"),
}
_PARTS = {
    "steps": gettext_lazy("步骤"),
    "step": gettext_lazy("所在步骤"),
    "state": gettext_lazy("状态"),
    "window": gettext_lazy("转化窗口"),
    "from": gettext_lazy("入口日期从"),
    "to": gettext_lazy("入口日期到"),
    "breakdown": gettext_lazy("分组"),
    "cell": gettext_lazy("分组取值"),
    "as_of": gettext_lazy("截至"),
    "filters": gettext_lazy("筛选"),
    "segment": gettext_lazy("分群编号"),
    "version": gettext_lazy("版本"),
    "audience": gettext_lazy("人群编号"),
    "with": gettext_lazy("比较的人群编号"),
    "send": gettext_lazy("群发编号"),
    "agent": gettext_lazy("员工编号"),
    "days": gettext_lazy("观察天数"),
}
# Codes that the description has in words.
_TOLD = {"rule", "part", "arm", "outcome"}


@dataclass(frozen=True)
class AudienceRow:
    """One line of the list."""

    id: int
    name: str
    source: str
    customers: int
    frozen_at: datetime
    created_by: str


def audience_page(user: Any, *, params: Mapping[str, str], size: int = 50) -> Page:
    """Audiences that the user may see, latest first."""
    found = Audience.objects.for_user(user).select_related("created_by__agent")
    if query := params.get("q", "").strip()[:64]:
        found = found.filter(name__icontains=query)
    page = keyset_page(found, order=("-frozen_at",), params=params, size=size)
    return Page([_row(a) for a in page.rows], page.after, page.before, page.total, page.is_exact)


def _row(audience: Audience) -> AudienceRow:
    return AudienceRow(
        id=audience.pk,
        name=audience.name,
        source=source_words(audience),
        customers=audience.customer_count,
        frozen_at=audience.frozen_at,
        created_by=audience.created_by.get_full_name() if audience.created_by else "",
    )


def source_words(audience: Audience) -> str:
    """Where the audience came from."""
    return str(SOURCES.get(audience.source, audience.source))


def members(audience: Audience, user: Any) -> CustomerQuerySet:
    """Those of the frozen list whom the user may see now."""
    named = AudienceMember.objects.filter(audience=audience, customer_id=OuterRef("pk"))
    return Customer.objects.for_user(user).filter(Exists(named))


def member_page(audience: Audience, user: Any, *, params: Mapping[str, str]) -> Page:
    """One page of members as rows of the customer list."""
    found = members(audience, user).select_related("channel")
    page = keyset_page(found, order=("-friend_since",), params=params)
    return Page(customer_rows(page.rows), page.after, page.before, page.total, page.is_exact)


def question_words(audience: Audience) -> list[tuple[str, str]]:
    """The question behind the list, part by part; unknown parts keep their own names."""
    labels = {kind.code: kind.label for kind in FactKind.objects.all()}
    return [
        (str(_PARTS.get(name, name)), _value_words(value, labels))
        for name, value in audience.question.items()
        if value not in (None, "", [], {}) and not (name in _TOLD and audience.description)
    ]


def _value_words(value: Any, labels: dict[str, str]) -> str:
    if isinstance(value, dict):
        return _("；").join(f"{k} = {_value_words(v, labels)}" for k, v in value.items())
    if isinstance(value, list):
        return " → ".join(_value_words(one, labels) for one in value)
    return labels.get(str(value), str(value))
