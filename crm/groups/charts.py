"""Pictures of a group; plain figures, drawn in the browser with the page's own colours."""

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from crm.groups.models import Group
from crm.groups.queries import Day
from crm.shared.bars import Series, daily_bars


def joins_and_leaves_chart(group: Group, days: list[Day]) -> dict[str, Any]:
    """Joins above the line, leaves below it, one bar a day; each opens its people."""
    people = f"{reverse('crm:customers:list')}?event_group={group.pk}"

    def hrefs(event: str) -> list[str]:
        return [f"{people}&event={event}&event_from={day.on}&event_to={day.on}" for day in days]

    joins = Series(_("入群"), [day.joins for day in days], hrefs=hrefs("group_joined"))
    leaves = Series(_("退群"), [day.leaves for day in days], below=True, hrefs=hrefs("group_left"))
    return daily_bars([day.on for day in days], [joins, leaves], unit=_("人"))


def finding(days: list[Day]) -> str:
    """The sentence above the picture."""
    joins, leaves = sum(day.joins for day in days), sum(day.leaves for day in days)
    words = {"days": len(days), "joins": joins, "leaves": leaves, "net": abs(joins - leaves)}
    if joins > leaves:
        return _("%(days)s 天里入群 %(joins)s 人、退群 %(leaves)s 人，净增 %(net)s 人") % words
    if joins < leaves:
        return _("%(days)s 天里入群 %(joins)s 人、退群 %(leaves)s 人，净减 %(net)s 人") % words
    if joins:
        return _("%(days)s 天里入群 %(joins)s 人、退群 %(leaves)s 人，人数没有变化") % words
    return _("%(days)s 天里没有人入群或退群") % words
